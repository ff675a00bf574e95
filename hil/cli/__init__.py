"""The command line: what each `hil ...` command does, prints, and exits with.

entry               all commands, in the order of `hil --help`
demo, run, orbit, watch, replay, console, control, check, scenario, board, board_install, discover,
bench, power, doctor, campaign, report, verify, compare, cost, training, theory, export, feed
                    the commands, a module for each, or for a group of them
orbit_options, orbit_sweep    the options of `hil orbit`; one scenario in many orbits
workload_sizes      the sizes of a C file that is flown without boards
campaign_results    what `hil campaign` does with a result file
evidence            the evidence file that runs and campaigns write
cost_subjects       what `hil cost` does with runs, scenarios and campaigns
compare_options     the options of `hil compare`
compare_schemes     redundancy schemes in runs of one scenario: options of `hil compare`
outlook             protection, vulnerability and failures in orbit: options of `hil compare`
versions            what `hil --version` prints
help_texts, completion    how help looks, its examples, and what a shell offers for a value
options, run_options    options that commands share
campaign_options, campaign_exact, campaign_variants, campaign_sampled, campaign_proof,
campaign_texts, campaign_checksums, campaign_progress
                    the options of a campaign, its kinds, and what it prints meanwhile
prepare, announce, background    a run before it begins, and its process when a screen shows it
record              opens the records of earlier runs
output, session, failures    what is printed, and what a command that fails still reports
signals, loading    Ctrl-C, SIGTERM and SIGHUP

With `hil.perf`, the only room that knows both the engine and the views. Results go to stdout,
everything else to stderr; with --json stdout is exactly one JSON object in every case. Heavy
modules are imported by the command that needs them. No traceback reaches a user: it is saved, and
the message names the file."""

from hil.cli.loading import held

with held.during():
    from hil.cli.entry import main

__all__ = ["main"]

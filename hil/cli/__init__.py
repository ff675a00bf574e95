"""The command line: what every `hil ...` does, says, and exits with.

With `hil.perf`, the only room that knows both the engine and the views. Results go to stdout,
everything else to stderr; with --json stdout is exactly one JSON object, whatever happens. Heavy
modules are imported by the command that needs them. No traceback reaches a user: it is saved, and
named.
"""

from hil.cli.loading import held

with held.during():
    from hil.cli.entry import main

__all__ = ["main"]

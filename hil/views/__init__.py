"""The views: what people see of a run. They know the record, and nothing of the engine.

screen              a package: the operator's screen on a terminal
campaign_screen     a package: the screen of a campaign that is going on
ended_by_signals    runs an app of the terminal, until a signal asks for its end
progress            the progress of a run, in lines
summary             a package: the end of a run on one page
listing, frame_listing    a run frame by frame, and the values of its frames
evidence, ending    the first frame that shows a failure, and why a run ended
output_values       the fields of outputs as text, with units
field_values, field_parts    one frame field by field: each node's value beside the voted one
checked_fields      the same of a doer and its checkers
voter_views         what each replica of the voter received, and what it decided
correctness         which nodes were right in a frame
checker_results     what checkers of a doer should have had
texts, text_listing    texts of nodes as lines, wrong characters marked; those of a span
checksum_table      what checksums find of hits
alarm_limits        the limits of alarms, from the record
orbit               the survey of a flight, as text and as a picture
flight_figures      the figures of a flight as rows, for notebooks
orbit_sweep         many orbits compared, and up to where a scheme is enough
orbit_dose, orbit_rates, orbit_cycles
                    its lines on dose, rates with their ranges, and thermal cycles
key_reference       every key of a kind of file, as a page
tables, boards, scenarios, discovery, supplies, bench_test, campaign, campaign_repeat,
sample_table        the answers of the other commands
scheme_proof        what a redundancy scheme makes of every upset
protection_costs, weight_flips    protections in software, and number formats, compared
campaign_comparison, campaign_protection, campaign_rates
                    two campaigns compared; what protection would buy; failures in orbit
training            ways to protect a training run, compared
upset_sources       what injects upsets into a run
cost                what correct answers cost, and all prices
command_changes     changes of command in a rig with a primary
scheme_figures      redundancy schemes compared in runs of one scenario
model_rows          models of reliability beside measurements
style               glyphs, colours and consoles that all views share

All but the screen return or print text; the caller decides where it goes."""

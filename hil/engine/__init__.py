"""The engine of a run, in modules of one purpose each; `hil.engine.loop` puts them together.

loop            one run: preparation, the stages of each frame, what is due between frames
observers       objects that follow a run in its own process
run_controls    what operator and plant coupling may use of a run
preflight       what is checked on open boards before the first frame
parts           all parts of a run, built from its scenario
part_groups     those that serve one purpose together: frame times, redundancy, upsets
stages          what works on the parts; each gets those that it needs
frame_work      the data that the stages of a frame pass on
board_returns       boards that were absent return to service; when the run waits for them
exchange_stage  the exchange: upsets, a step on all nodes, their answers and reports
verdict         the stages after it: verdict, record, repairs, outcomes
repair_scheduler     when repairs are carried out, also on boards that are back
repair_executor      how one repair is carried out
fast_forward    quiet frames, run in batches or skipped
health_poll     health of boards, links and supplies, now and then
recorder        writes what happens to the parts into the record
operator        an operator's commands
plant_coupling  applies the plant's orders to boards, reports their power to it
node_power, board_orders, plant_rows    power of a node, orders to its board, rows of the plant
snapshots       takes and restores the state of a run; resume reads it from a record
snapshot_model, snapshot_json         that value, and its layout in a record
run_folder      the folder of a run, and the content of its reports
temperature_alarm_limits, firmware_flags    alarms and notes of a hot or throttled board
metrics, lateness    counters of a run; whether node or host is late
hidden_state         what boards hold besides what is voted on: stuck bits, checkpoints
result, run_reports, ending           the result of a run, and how it is reported
outside_influence    what acted on a run from outside its scenario
"""

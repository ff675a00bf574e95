"""The engine of a run, in modules of one purpose each; `hil.engine.loop` puts them together.

loop            one run: preparation, the stages of each frame, what is done between frames
observers       what follows a run from within its process
run_controls    what of a run operator and plant can reach
parts           what a run is made of
frame_work      what the stages of a frame hand on to each other
exchange_stage  the exchange: upsets, a step on all nodes, their answers and reports
verdict         the stages after it: verdict, record, repairs, outcomes
repair_scheduler     which repairs are carried out, and boards that are back
repair_executor      how one repair is carried out
fast_forward    frames in which nothing can happen: in batches, or skipped
health_poll     how boards, links and supplies are, once in a while
recorder        what has become of the parts, written into the record
operator        an operator's commands
plant_coupling  what the plant orders of the boards, and what it is told of them
node_power, board_orders, plant_rows    its book of a node, its orders to boards, its rows
snapshots       the parts as one value, and back; resume reads it from a record
snapshot_model, snapshot_json         that value, and its layout in a record
run_folder      the folder of a run: its files, and who writes them
temperature_alarm_limits, firmware_flags    what a hot or throttled board brings about
metrics, lateness    what is counted on the way
hidden_state         what boards hold beside what is voted on: stuck bits, checkpoints
result, run_reports, ending           the result of a run, and how it is reported
outside_influence    what acted on a run that its scenario does not name
"""

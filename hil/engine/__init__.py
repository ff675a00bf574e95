"""The engine of a run, in modules of one purpose each; `loop` puts them together.

loop                one run: preparation, the stages of each frame, what is due between frames
preflight           what is checked on open boards before the first frame
parts, part_groups  all parts of a run, and those that serve one purpose together
stages              what works on the parts; each gets those that it needs

frame_work          the data that the stages of a frame pass on
exchange_stage      the exchange: upsets, a step on all nodes, their answers and reports
wake_up             the order of nodes after a dead bus
preventive_restarts    nodes that work are started again by plan
orbit_need          how many nodes a scheme wants that follows the orbit
rotation_need       how many nodes a scheme wants whose nodes rest in turn
stand_by            boards that are kept off until they are needed
repeat_stage        with time redundancy: further executions of the step, compared
frame_ballots       the results of a frame as ballots, and as compared with the golden run
frame_vote          the vote on a frame
voter_replicas      the replicas of the voter: their views, their exchange, their decision
verdict             the stages after it: verdict, record, repairs, outcomes
offload             what frames leave behind for the ground; what comes up from there
long_outputs        outputs that vote by their digest, and are read when their bytes are needed
fast_forward        quiet frames, run in batches or skipped
repair_scheduler, repair_executor    when repairs are carried out, and how one is
board_returns       boards that were absent return to service; when the run waits for them
health_poll         health of boards, links and supplies, now and then
hidden_state        what boards hold besides what is voted on: stuck bits, checkpoints
outside_influence   what acted on a run from outside its scenario
metrics, lateness   counters of a run; whether node or host is late
catch_up            nodes that were late compute the frames that they missed

plant_coupling      applies the plant's orders to boards, reports their power to it
node_power, board_orders, plant_rows    power of a node, orders to its board, rows of the plant
temperature_alarm_limits, firmware_flags    the alarm limits and the notes of hot boards
operator, run_controls    an operator's commands, and what they may use of a run
observers, progress_reports    objects that follow a run in its own process; what they get of it
stepped_run         a run that its caller steps, and gives orders between two frames

board_context_stage    what the boards execute, and the kernel logs before and after
run_recorder        writes what happens to the parts into the record
snapshots, resume   takes and restores the state of a run; reads it from a record
snapshot_model, snapshot_json    that state as a value, and its layout in a record
golden_source       the golden run of a program: of this computer, or recorded on the boards
run_identity        what identifies a run before it begins
run_preparation     a new run is read, checked, and given its folder
run_command         the command line that repeats a run which Python began
run_folder, run_log    the folder of a run, and its events in Python's logging
result, ending      the progress and the outcome of a run; its last steps
run_reports, junit  the reports of a run: manifest.json and junit.xml
"""

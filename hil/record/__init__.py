"""The record: one SQLite file per run, written by the loop, read by any number of viewers.

Knows value types only.

recorder_protocol   what the engine knows of a record, as a protocol
sqlite_recorder, null_recorder    the recorder that writes a record, and one that writes none
write_connection, pending_rows    its connection; the rows until the next commit, with INSERT
event_writer, rows  what happens in a run, and the rows that are made of it
frame_blocks        all frames, packed, in blocks: the table `blocks`
tally               what the end of a run reads from the record that it writes
snapshot_rows       the last snapshot of a run
run_lock, rewind    who may write, and where a resumed run continues

schema, migrations  the tables, and what older records lack of them
opening             opens the database, and makes a plain file of it
digest, seal        what makes two runs equal, and what shows that a record was changed
sound_tables        finds values that no hil has written

reader, live        a record as its readers see it; live, while it is written
held_record         a record as it is at one moment, and where it is damaged
run_follower        all that it has gained since the last time, for feeds and exports
packed_frames, id_search, timeline    finding frames, rows and times in it
queries, event_queries, telemetry_queries    what several views, and the screen, ask
node_outputs, output_rows    the outputs of one node; those of all nodes in some frames
frame_array         packed frames as a NumPy array
run_tables, column_table    all that a run recorded, as tables of NumPy columns
span_rows, first_rows, row_counts, outages    rows of a span, first rows, sums, outages
row_values, measured_rows, record_tables    rows as values, and the tables that have ids
board_context, recorded_context    what the boards executed, and their kernel logs
console_files       the console logs beside a record, compared with their digests
run_meta, recorded_scenario    the properties of a run, and its scenario
run_result, result_json    the result of a run, and how it is read from JSON
written_texts, text_outcomes    the texts that nodes write, and what upsets made of them
scheme_changes      how a scheme that follows the orbit has changed
offload_rows, offload_figures    what went to the ground, and how much, how late, how fresh
limit_orders        what a row of `limits` says of an order to a board

campaign_file, campaign_rows, campaign_summary    the result of a campaign, and what it comes to
campaign_soundness    what its rows must be
campaign_step, campaign_path    what the step of a campaign does, for maps and listings
campaign_merge      parts of a campaign put together
fault_lines         lists of faults as text
experiment_id, recorded_experiment    the names of experiments, and one by its name
campaign_endings    how wrong outputs are
scheme_proof, proof_file    the proof of a scheme, and its file
flown_faults        what became of faults that were flown through three nodes
result_file         what the files of campaigns and proofs have in common
campaign_journal    the outcomes of a campaign that is going on
"""

"""The record: one SQLite file per run, written by the loop, read by any number of viewers.

Knows value types only.

recorder             what the engine sees of it; sqlite_recorder and null_recorder implement that
schema               the tables
limit_orders         what a row of `limits` says of an order to a board
frame_blocks         all frames, packed, in blocks: the table `blocks`
event_writer         everything else that happens, and frames that are more than plain agreement
pending_rows         rows until the next commit, and the INSERT statements
reader               everybody else's side; queries, event_queries and telemetry_queries ask
digest, seal         what makes two runs equal, and what tells that a record was changed
run_lock, rewind     who may write, and where a resumed run continues"""

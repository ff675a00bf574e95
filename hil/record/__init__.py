"""The record: one SQLite file per run, written by the loop, read by any number of viewers.

Knows value types only. `writer` is the engine's side, `reader` everybody else's, `schema` the
tables, `digest` what makes two runs equal."""

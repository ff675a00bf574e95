"""The record: one SQLite file per run, written by the loop, read by any number of viewers.

Knows value types only. `recorder` is what the engine sees of it, `sqlite_recorder` and
`null_recorder` implement that; `reader` is everybody else's side, `schema` the tables, `digest`
what makes two runs equal."""

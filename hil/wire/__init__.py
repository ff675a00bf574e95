"""The wire: the values that cross between the host and a board, and their bytes.

`messages` has the values, `encoding` and `decoding` their bytes; `rails` and `throttling` interpret
two of the values that boards measure."""

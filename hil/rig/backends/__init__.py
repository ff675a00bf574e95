"""The kinds of boards: in this process, in a process, on a line."""

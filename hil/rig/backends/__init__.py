"""The kinds of boards: in this process, in a process of their own, on a serial line."""

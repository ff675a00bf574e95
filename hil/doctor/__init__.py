"""Examines this computer and files before anything runs.

`computer` runs all checks of this computer: `software_boards` work, and `known_faults` are injected
and must be detected. `files` checks scenarios, bench files and profiles. `findings` are the
results."""

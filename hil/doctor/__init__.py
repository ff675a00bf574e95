"""Checks of this computer and of files, before a run.

`computer` lists the checks of this computer and runs them; those in `software_boards` try the
agent, those in `known_faults` inject faults that must be detected. `files` checks scenarios, bench
files and board profiles. `findings` holds the results."""

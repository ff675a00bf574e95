"""Checks of this computer and of files, before a run.

computer            lists the checks of this computer, and runs them
software_boards     the checks that try the agent
known_faults        the checks that inject faults, which must be detected
files               checks of scenarios, bench files and board profiles
restart_spacing     preventive restarts that are more frequent than a restart takes
findings            the result of a check
"""

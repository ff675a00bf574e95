"""Three kinds of boards (the fourth is a package of its own: `hil.rig.emulated`), and what a board
can do.

inproc              in this process
process             a process of its own
program_digests     digests of the programs that they run
stderr_reader       what such processes write to stderr
serial_board        on a serial line
capabilities        what a board can do beyond what all of them can
"""

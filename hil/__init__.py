"""hil: a hardware-in-the-loop flight computer emulator.

Redundant nodes compute the same step, upsets hit their live state, a voter compares, recovery
heals. Importing this package loads nothing heavy; `hil.engine.loop` runs scenarios from Python.

The rooms, packages in the order of the data path; none imports one that stands after it, and those
in one line do not import each other:

wire                the values that cross between the host and a board, and their bytes
scenario            scenarios and bench files, as frozen values
board_types         the types of boards, and the agent on a board
plant, rig          the simulated world; boards, links and power supplies
redundancy          which output is delivered, and how a node is recovered
upsets              one upset, from plan to outcome
record              the database of a run
control             commands to a running run
analysis            statistics of results: campaigns compared, failures in orbit
engine              one run
campaign            what upsets come to: all of them, by experiments, or a sample
verification, views, report, export
                    a record computed again; what people see of a run; pages for a browser; tables
                    for other programs
perf, doctor        measurements, and checks of this computer
cli                 the command line

Modules that all rooms may import:

errors, exit_codes, run_outcome, check_state    failures, and results in one word
clock               the time, and waiting
kernel              the C kernel, typed
random_streams      random draws
assets, extras      files that ship with the package, and packages that it can do without
word_enum, json_values, printable    words that are stored, JSON, and text from outside
"""

__version__ = "0.1.0"

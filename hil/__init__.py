"""hil: a hardware-in-the-loop flight computer emulator.

Redundant nodes compute the same step, upsets hit their live state, a voter compares, recovery
heals. Importing this package loads nothing heavy; `hil.run`, `hil.open_run` and what else `hil.api`
has load when they are used.

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
api                 the Python interface, the only stable one
perf, doctor, testing    measurements, and checks of this computer; the pytest plugin
cli                 the command line

Modules that all rooms may import:

errors, exit_codes, run_outcome, check_state    failures, and results in one word
clock               the time, and waiting
kernel              the C kernel, typed
random_streams      random draws
assets, extras      files that ship with the package, and packages that it can do without
word_enum, json_values, printable    words that are stored, JSON, and text from outside
"""

from __future__ import annotations

import importlib
from typing import Any

__version__: str
"""That of the compiled kernel, which the package takes its own from."""

__all__ = [
    "BOARD_CAPABILITIES",
    "KNOWN_METRICS",
    "NODES_MAX",
    "Anomaly",
    "Answer",
    "Assessment",
    "Campaign",
    "ColumnTable",
    "ExpectationResult",
    "FramesDone",
    "NodeRepair",
    "NodeState",
    "Run",
    "RunEvent",
    "RunObserver",
    "RunOptions",
    "RunResult",
    "Scenario",
    "SteppedNode",
    "SteppedRun",
    "SurveyedFlight",
    "TimeSlip",
    "Transition",
    "Upset",
    "UpsetOrdered",
    "Verdict",
    "VerdictKind",
    "load_bench",
    "load_for_run",
    "load_scenario",
    "open_campaign",
    "open_run",
    "orbit",
    "parse_expectation",
    "parse_scenario",
    "run",
    "stepped_run",
]
"""Those of `hil.api`."""


def __getattr__(name: str) -> Any:
    """Return the version, or what `hil.api` has under this name. Raises: AttributeError for any
    other name, ModuleNotFoundError for sources whose kernel is not compiled."""
    if name == "__version__":
        return importlib.import_module("hil.kernel").VERSION
    if name not in __all__:
        raise AttributeError(f"module 'hil' has no attribute {name!r}")
    return getattr(importlib.import_module("hil.api"), name)

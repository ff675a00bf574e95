"""The scenario layer: YAML files to frozen values. First in the flow; imports nothing below it.

Entry points: `load_scenario` (a Scenario or an error), `load` (with notices for the user),
`load_bench`, `scenario_schema`.
"""

from hil.scenario.bench import Bench, BenchBoard, load_bench, parse_bench
from hil.scenario.durations import parse_duration_us, parse_pace
from hil.scenario.expect import (
    KNOWN_METRICS,
    Expectation,
    ExpectationResult,
    parse_expectation,
)
from hil.scenario.load import Loaded, find_scenario, load, load_scenario, parse_scenario
from hil.scenario.model import SCHEMA_VERSION, Recovery, Scenario, Timeouts
from hil.scenario.order import ordered_event
from hil.scenario.overrides import Overrides
from hil.scenario.rig import Node, Rig
from hil.scenario.schema import bench_schema, scenario_schema
from hil.scenario.upsets import Event, OrbitUpsets, Pattern, Rate, Upsets
from hil.scenario.words import (
    CHECKPOINT_TARGETS,
    MEMORY_TARGETS,
    PORTABLE_TARGETS,
    PROCESS_TARGETS,
    WORKLOADS,
    BoardAction,
    BoardKind,
    Direction,
    Noise,
    PatternKind,
    RamPart,
    Scheme,
    Sefi,
    Target,
)

__all__ = [
    "CHECKPOINT_TARGETS",
    "KNOWN_METRICS",
    "MEMORY_TARGETS",
    "PORTABLE_TARGETS",
    "PROCESS_TARGETS",
    "SCHEMA_VERSION",
    "WORKLOADS",
    "Bench",
    "BenchBoard",
    "BoardAction",
    "BoardKind",
    "Direction",
    "Event",
    "Expectation",
    "ExpectationResult",
    "Loaded",
    "Node",
    "Noise",
    "OrbitUpsets",
    "Overrides",
    "Pattern",
    "PatternKind",
    "RamPart",
    "Rate",
    "Recovery",
    "Rig",
    "Scenario",
    "Scheme",
    "Sefi",
    "Target",
    "Timeouts",
    "Upsets",
    "bench_schema",
    "find_scenario",
    "load",
    "load_bench",
    "load_scenario",
    "ordered_event",
    "parse_bench",
    "parse_duration_us",
    "parse_expectation",
    "parse_pace",
    "parse_scenario",
    "scenario_schema",
]

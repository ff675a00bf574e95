"""The scenario layer: YAML files to frozen values. First in the flow; imports nothing below it.

Entry points: `load_scenario` (a Scenario or an error), `load` (with notices for the user),
`load_bench`, `scenario_schema`.
"""

from hil.scenario.bench import BenchBoardConfig, BenchConfig, load_bench, parse_bench
from hil.scenario.durations import parse_duration_us, parse_pace
from hil.scenario.expect import (
    KNOWN_METRICS,
    Expectation,
    ExpectationResult,
    parse_expectation,
)
from hil.scenario.load import Loaded, find_scenario, load, load_scenario, parse_scenario
from hil.scenario.model import SCHEMA_VERSION, RecoveryConfig, Scenario, TimeoutsConfig
from hil.scenario.operator_upset import ordered_event
from hil.scenario.overrides import Overrides
from hil.scenario.rig import NodeConfig, RigConfig
from hil.scenario.schema import bench_schema, scenario_schema
from hil.scenario.upsets import (
    OrbitUpsetsConfig,
    PatternConfig,
    UpsetEventConfig,
    UpsetRateConfig,
    UpsetsConfig,
)
from hil.scenario.words import (
    CHECKPOINT_TARGETS,
    MEMORY_TARGETS,
    PORTABLE_TARGETS,
    PROCESS_TARGETS,
    WORKLOADS,
    BoardAction,
    BoardKind,
    Direction,
    LinkNoiseKind,
    PatternKind,
    RamPart,
    Scheme,
    Sefi,
    UpsetTarget,
)

__all__ = [
    "CHECKPOINT_TARGETS",
    "KNOWN_METRICS",
    "MEMORY_TARGETS",
    "PORTABLE_TARGETS",
    "PROCESS_TARGETS",
    "SCHEMA_VERSION",
    "WORKLOADS",
    "BenchBoardConfig",
    "BenchConfig",
    "BoardAction",
    "BoardKind",
    "Direction",
    "Expectation",
    "ExpectationResult",
    "LinkNoiseKind",
    "Loaded",
    "NodeConfig",
    "OrbitUpsetsConfig",
    "Overrides",
    "PatternConfig",
    "PatternKind",
    "RamPart",
    "RecoveryConfig",
    "RigConfig",
    "Scenario",
    "Scheme",
    "Sefi",
    "TimeoutsConfig",
    "UpsetEventConfig",
    "UpsetRateConfig",
    "UpsetTarget",
    "UpsetsConfig",
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

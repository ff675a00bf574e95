"""Scenarios and bench files: YAML read into frozen values, and every sentence about what is wrong.

load, overrides     from a file and options of the command line to a `Scenario`, or all its problems
model               the scenario, and its defaults
rig, upsets, expect, alarms, offload, plant    its parts; `plant` is a package
recovery            how faulty nodes are repaired, and what is done before they fail
pattern             the change of bits by an upset
program, program_input    the program of the workload exec, and its inputs from a file
outputs, output_meaning    the fields of the outputs of workloads; what they say to people
output_config       the key `fields:` of a workload of the user
checkpoint_interval    the best interval between checkpoints, by Young and Daly
orbit_scheme        schemes that follow the orbit
checkers            the checkers of a doer
monitors            the monitors of a primary
voter               how the delivered output follows from those of the nodes
models              where models have their weights
c_workload          a C file of the user as the workload, and the text of it
onnx_workload       an ONNX model of the user as the workload
workload_choice     the forms in which `workload:` is written
receivers           faults of the copies of a reply for some receivers
timing              faults of a whole node's timing
consistency         the rules between these parts
problems            pydantic's errors as messages for users
words, fields, durations, numerals    the types of single values
schema              the JSON Schema of the files
yaml                a package: YAML with the place of every value
bench, ports, console    the bench file: boards, and the ports that they are connected to
tokens, places      the tokens of agents on TCP ports, and places of labgrid
console_patterns    patterns of console text: what a line shows of its board
supply, supply_words, visa_names    the power supplies of a bench file
bench_choice        which boards of a bench a run uses
bench_edit, bench_store    changes to a bench file that keep its comments, and replacing it safely
discovery_report, bench_report, supply_state    the reports of `hil discover`, `hil bench test` and
                    `hil power`
operator_upset      an upset that is ordered during a run

Entry points: `load_scenario` (a Scenario or an error), `load` (with notices for the user),
`load_bench`, `scenario_schema`. Imports no room but `hil.errors`, `hil.assets`, `hil.json_values`
and `hil.word_enum`."""

from hil.scenario.bench import BenchBoardConfig, BenchConfig, load_bench, parse_bench
from hil.scenario.durations import parse_duration_us, parse_pace
from hil.scenario.expect import (
    KNOWN_METRICS,
    Expectation,
    ExpectationResult,
    parse_expectation,
)
from hil.scenario.load import Loaded, find_scenario, load, load_scenario, parse_scenario
from hil.scenario.model import SCHEMA_VERSION, Scenario, TimeoutsConfig
from hil.scenario.operator_upset import ordered_event
from hil.scenario.overrides import Overrides
from hil.scenario.pattern import PatternConfig
from hil.scenario.recovery import ColdStartConfig, PreventiveConfig, RecoveryConfig
from hil.scenario.rig import NodeConfig, RigConfig
from hil.scenario.schema import bench_schema, scenario_schema
from hil.scenario.upsets import (
    OrbitUpsetsConfig,
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
    SchemeName,
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
    "ColdStartConfig",
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
    "PreventiveConfig",
    "RamPart",
    "RecoveryConfig",
    "RigConfig",
    "Scenario",
    "SchemeName",
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

"""Loading: files and names, everything wrong in one report, overrides, bench, JSON Schema."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from hil import assets
from hil.errors import ConfigError, Problem, SetupError, UsageError
from hil.json_values import JsonObject
from hil.scenario import (
    PORTABLE_TARGETS,
    PROCESS_TARGETS,
    BoardKind,
    Overrides,
    Scenario,
    UpsetTarget,
    bench_schema,
    find_scenario,
    load,
    load_bench,
    load_scenario,
    parse_bench,
    parse_scenario,
    scenario_schema,
)
from tests.amount import mostly_slow

EMULATED = ("board-ram-storm", "emulated-rpi")
SHIPPED = (
    "board-ram-storm",
    "brown-out",
    "cold-case",
    "demo",
    "doer-checkers",
    "emulated-rpi",
    "end-of-life",
    "hang",
    "hot-case",
    "latch-up",
    "leo-iss-day",
    "leo-offload",
    "lm-saa",
    "memory-storm",
    "mid-value",
    "nominal",
    "number-formats",
    "one-node-dies",
    "one-node-lies",
    "orbit-following",
    "own-workload",
    "quickstart",
    "saa-pass",
    "seu-storm",
    "solar-storm",
    "sso-dawn-dusk",
    "sso-noon-eclipse",
    "train-upsets",
    "two-faults",
)

SCENARIO = """\
workload: infer
frames: 1000
rig:
  nodes: [a, b, c]
upsets:
  events:
  - {frame: 10, node: a, target: state}
  - {frame: 20, node: b, target: input}
  - {frame: 600, node: c, target: output}
  - {frame: 900, node: a, target: output}
  rates:
  - {target: state, per_s: 1}
  - {target: input, per_s: 1, nodes: [a, c]}
  - {target: link, per_s: 1, nodes: [b, c]}
"""

BENCH = """\
schema: 1
boards:
- {name: pi-1, port: /dev/ttyUSB0}
- {name: pi-2, port: /dev/ttyUSB1, baud: 921600}
- {name: jetson, port: 'socket://10.0.0.5:4000'}
- {name: spare, port: 'rfc2217://host:7000'}
"""


def report(text: str, overrides: Overrides | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text, file="f.yaml", overrides=overrides)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH)
    return path


# One report ---------------------------------------------------------------------------------------


def test_all_problems_come_in_one_report_in_the_order_of_the_file() -> None:
    text = """\
workload: infr
seed: -1
seed: 2
frames: 100
rig:
  nodes: [a, {name: b, bauds: 9600}, c]
upsets:
  events:
  - {frame: 100, node: x, target: memory}
  - {frame: 5, node: a, target: state, target: input}
  rates:
  - {target: link, per_s: 0, nodes: [y]}
expect: {slip: 0}
extra: 1
"""
    assert [line.split(": ")[:2] for line in report(text).splitlines()] == [
        ["12 problems:"],
        ["f.yaml:1:11", "$.workload"],
        ["f.yaml:2:7", "$.seed"],
        ["f.yaml:3:1", "$.seed"],
        ["f.yaml:6:24", "$.rig.nodes[1].bauds"],
        ["f.yaml:9:13", "$.upsets.events[0].frame"],
        ["f.yaml:9:24", "$.upsets.events[0].node"],
        ["f.yaml:9:35", "$.upsets.events[0].target"],
        ["f.yaml:10:40", "$.upsets.events[1].target"],
        ["f.yaml:12:27", "$.upsets.rates[0].per_s"],
        ["f.yaml:12:38", "$.upsets.rates[0].nodes[0]"],
        ["f.yaml:13:10", "$.expect.slip"],
        ["f.yaml:14:1", "$.extra"],
    ]


def test_a_duplicate_key_alone_is_an_error() -> None:
    text = report("workload: infer\nframes: 5\nworkload: matmul\n")
    assert text == (
        "f.yaml:3:1: $.workload: the key `workload` is here a second time; "
        "the first is in line 1; remove one of them"
    )


def test_a_newer_schema_is_refused_alone_and_first() -> None:
    text = report("schema: 2\nnew_key: 1\nworkload: 7\n")
    assert text == (
        "f.yaml:1:9: $.schema: this scenario is written for schema 2; "
        "this version of hil reads schema 1; update hil"
    )


def test_a_broken_rig_does_not_hide_upsets_of_unknown_nodes() -> None:
    text = report(SCENARIO.replace("[a, b, c]", "[a, {name: b, baud: 1}, d]"))
    assert "$.rig.nodes[1].baud" in text
    assert "$.upsets.events[2].node: there is no node `c`; the rig has a, b, d" in text
    assert "$.upsets.rates[1].nodes[1]" in text
    assert text.count("there is no node") == 3


def test_a_rig_that_is_no_rig_says_nothing_about_its_nodes() -> None:
    for rig in ("rig: 5", "rig: {nodes: 5}", "rig: {nodes: [5, a, b]}"):
        text = report(SCENARIO.replace("rig:\n  nodes: [a, b, c]", rig))
        assert "there is no node" not in text


def test_a_broken_part_does_not_hide_targets_that_inproc_lacks() -> None:
    text = report(
        "workload: infr\nframes: 5\nrig: {board: inproc}\n"
        "upsets: {events: [{frame: 0, node: b, target: gpr}]}\n"
    )
    assert "node b is an inproc board" in text
    assert text.startswith("2 problems:")


# Names and files ----------------------------------------------------------------------------------


def test_a_file_is_loaded_and_names_the_scenario(file: Path) -> None:
    for source in (file, str(file)):
        loaded = load(source)
        assert loaded.scenario.name == "mine"
        assert loaded.file == file
        assert loaded.notices == ()
    assert load_scenario(file) == loaded.scenario


def test_errors_name_the_file_as_it_was_given(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "x.yaml").write_text("workload: infer\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load("x.yaml")
    assert str(caught.value).startswith("x.yaml:1:1: $.frames: ")


def test_a_bare_name_is_a_shipped_scenario_even_beside_a_file_of_that_name(
    tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "nominal").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    assert load("nominal").scenario.name == "nominal"
    assert find_scenario("./nominal") == Path("nominal")


def test_a_bare_name_may_be_a_file_without_extension(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "mine").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    assert load("mine").scenario.frame_count == 1000


def test_an_unknown_name_is_a_usage_error_with_the_nearest_and_all_shipped_ones() -> None:
    with pytest.raises(UsageError, match="did you mean `quickstart`") as caught:
        load_scenario("quikstart")
    assert all(name in str(caught.value) for name in SHIPPED)
    for name in ("", "a\0b", "x" * 10_000):
        with pytest.raises(UsageError):
            load_scenario(name)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load_scenario(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="is a directory"):
        load_scenario(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_a_usage_error(file: Path) -> None:
    file.chmod(0)
    with pytest.raises(UsageError, match="cannot be read"):
        load_scenario(file)


def test_an_installation_without_scenarios_is_an_environment_error(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "hil")
    with pytest.raises(SetupError, match="missing from this installation"):
        load_scenario("nominal")


def test_scenarios_inside_the_package_are_found_before_those_beside_it(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "hil")
    for folder, name in (("scenarios", "outer"), ("hil/data/scenarios", "inner")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"{name}.yaml").write_text(SCENARIO)
    assert assets.list_scenarios() == ("inner",)
    assert load("inner").scenario.name == "inner"


# Shipped files ------------------------------------------------------------------------------------


def test_exactly_the_documented_scenarios_are_shipped() -> None:
    assert assets.list_scenarios() == SHIPPED
    assert assets.scenario_path("nope") is None


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_scenario_is_valid_named_explained_and_expects_something(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.summary
    assert scenario.expectations
    assert scenario.pace_factor is None or name == "board-ram-storm", "they must finish soon"
    skips = scenario.plant is not None and scenario.plant.skip_quiet
    assert scenario.frame_count <= 3000 or skips
    kind = BoardKind.EMULATED if name in EMULATED else BoardKind.PROCESS
    assert all(node.board is kind for node in scenario.rig.nodes)
    text = (assets.scenarios_dir() / f"{name}.yaml").read_text()
    assert text.startswith("# ")
    assert "schema: 1\n" in text


def test_the_quickstart_has_every_target_of_a_worker_and_its_link() -> None:
    scenario = load_scenario("quickstart")
    hit = {event.target for event in scenario.upsets.events}
    of_the_board = {
        UpsetTarget.BOARD,
        UpsetTarget.BOARD_RAM,
        UpsetTarget.AGENT,
        UpsetTarget.CHECK_BITS,
        UpsetTarget.TIMING,
    }
    assert hit == set(UpsetTarget) - of_the_board
    assert {event.node for event in scenario.upsets.events} == {"a", "b", "c"}


def test_the_memory_storm_is_portable_and_runs_inproc() -> None:
    scenario = load_scenario("memory-storm", Overrides(board="inproc"))
    assert {t for rate in scenario.upsets.rates for t in rate.targets} == PORTABLE_TARGETS


def test_no_shipped_scenario_spaces_its_upsets_for_a_campaign() -> None:
    for name in assets.list_scenarios():
        assert load_scenario(name).campaign_mode == "", name


def test_the_seu_storm_hits_every_target() -> None:
    upsets = load_scenario("seu-storm").upsets
    hit = {target for rate in upsets.rates for target in rate.targets}
    hit |= {event.target for event in upsets.events}
    not_there = {
        UpsetTarget.BOARD_RAM: "only emulated boards have it",
        UpsetTarget.TIMING: "which is no radiation effect",
    }
    assert hit == set(UpsetTarget) - not_there.keys()


def test_nominal_has_no_upsets() -> None:
    upsets = load_scenario("nominal").upsets
    assert (upsets.events, upsets.rates) == ((), ())


def test_two_faults_hit_two_nodes_alike() -> None:
    first, second = load_scenario("two-faults").upsets.events
    assert first.node != second.node
    assert first.model_copy(update={"node": second.node}) == second


# Overrides ----------------------------------------------------------------------------------------


def test_no_overrides_change_nothing(file: Path) -> None:
    assert load(file, Overrides()) == load(file)


def test_simple_overrides_replace_the_value(file: Path) -> None:
    scenario = load_scenario(file, Overrides(seed=0, pace="60x", accel=1000.0))
    assert (scenario.seed, scenario.pace_factor, scenario.upsets.accel) == (0, 60.0, 1000.0)
    assert len(scenario.upsets.events) == 4


def test_frames_and_duration_replace_each_other(file: Path) -> None:
    assert load_scenario(file, Overrides(duration="20s")).frame_count == 2000
    assert load_scenario(file, Overrides(frames=5000)).frame_count == 5000
    by_duration = SCENARIO.replace("frames: 1000", "duration: 10s")
    assert parse_scenario(by_duration, overrides=Overrides(frames=7000)).frame_count == 7000


def test_a_shortened_run_leaves_out_later_events_and_says_so(file: Path) -> None:
    for overrides, option in (
        (Overrides(frames=600), "--frames 600"),
        (Overrides(duration="6s"), "--duration 6s"),
    ):
        loaded = load(file, overrides)
        assert [event.frame for event in loaded.scenario.upsets.events] == [10, 20]
        assert loaded.notices == (
            f"{option} ends the run at frame 600; left out with it: 2 upset events",
        )


def test_an_event_behind_the_end_of_the_file_s_own_run_stays_an_error() -> None:
    text = report(SCENARIO.replace("frame: 900", "frame: 1900"), Overrides(frames=500))
    assert "f.yaml:10:13: $.upsets.events[3].frame: frame 1900 is past the end" in text


def test_a_smaller_scheme_keeps_the_first_nodes_and_their_upsets(file: Path) -> None:
    loaded = load(file, Overrides(scheme="dmr"))
    scenario = loaded.scenario
    assert [node.name for node in scenario.rig.nodes] == ["a", "b"]
    assert [event.node for event in scenario.upsets.events] == ["a", "b", "a"]
    assert [rate.nodes for rate in scenario.upsets.rates] == [None, ("a",), ("b",)]
    assert loaded.notices == (
        "--scheme dmr leaves out 1 node (c); left out with it: 1 upset event",
    )
    loaded = load(file, Overrides(scheme="simplex"))
    assert [event.node for event in loaded.scenario.upsets.events] == ["a", "a"]
    assert [rate.nodes for rate in loaded.scenario.upsets.rates] == [None, ("a",)]
    assert loaded.notices == (
        "--scheme simplex leaves out 2 nodes (b, c); "
        "left out with it: 2 upset events and 1 upset rate",
    )


def test_a_larger_scheme_adds_nodes_with_free_names(file: Path) -> None:
    file.write_text(SCENARIO.replace("[a, b, c]", "[a, {name: d, baud: 9600}, b]").split("up")[0])
    loaded = load(file, Overrides(scheme="5mr"))
    assert [node.name for node in loaded.scenario.rig.nodes] == ["a", "d", "b", "c", "e"]
    assert loaded.scenario.rig.nodes[1].baud == 9600
    assert loaded.notices == ()


def test_default_nodes_follow_the_overriding_scheme() -> None:
    text = "workload: infer\nframes: 5\n"
    for scheme, size in (("simplex", 1), ("7mr", 7)):
        scenario = parse_scenario(text, overrides=Overrides(scheme=scheme))
        assert [node.name for node in scenario.rig.nodes] == list("abcdefg"[:size])


def test_boards_puts_every_node_on_that_kind_and_forgets_ports() -> None:
    text = (
        "workload: infer\nframes: 5\nrig:\n  board: serial\n"
        "  nodes: [{name: a, port: x}, {name: b, board: inproc}, {name: c, port: y}]\n"
    )
    for kind in ("process", "inproc"):
        nodes = parse_scenario(text, overrides=Overrides(board=kind)).rig.nodes
        assert [(node.name, node.board, node.port) for node in nodes] == [
            ("a", kind, None),
            ("b", kind, None),
            ("c", kind, None),
        ]


def test_boards_inproc_refuses_upsets_that_need_a_process() -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("quickstart", Overrides(board="inproc"))
    assert len(caught.value.problems) == 5
    for problem in caught.value.problems:
        assert problem.line > 0
        assert "run with --boards process" in problem.remedy
    named = {problem.message.split()[1] for problem in caught.value.problems}
    assert named == {str(target) for target in PROCESS_TARGETS}


def test_bad_overrides_are_reported_by_option_together_with_the_file() -> None:
    text = report(
        SCENARIO.replace("infer", "infr"),
        Overrides(scheme="tmrr", board="emulatd", seed=-1, pace="x", accel=0, duration="5"),
    )
    for words in (
        "f.yaml:1:11: $.workload: ",
        "--scheme: $.rig.scheme: the text `tmrr` is not a valid scheme",
        "--boards: $.rig.board: the text `emulatd` is not a valid kind of board",
        "--seed: $.seed: the number -1",
        "--pace: $.pace: `x` is not a pace",
        "--accel: $.upsets.accel: the number 0",
        "--duration: $.duration: `5` is not a duration",
    ):
        assert words in text
    assert text.startswith("7 problems:")


def test_contradicting_overrides_are_usage_errors(bench: Path) -> None:
    with pytest.raises(UsageError, match="--frames and --duration"):
        parse_scenario(SCENARIO, overrides=Overrides(frames=5, duration="5s"))


@pytest.mark.parametrize(
    "text",
    [
        "workload: infer\nframes: 5\nrig: 5\nupsets: 5\n",
        "workload: infer\nframes: x\nrig: {nodes: 5}\nupsets: {events: 5, rates: 5}\n",
        "workload: infer\nframes: 5\nframe_ms: y\nrig: {nodes: [5, [], {}]}\n",
        "workload: infer\nduration: 5\nrig: {scheme: []}\nupsets: {events: [5], rates: [5]}\n",
        "workload: infer\nduration: 5s\nupsets: {rates: [{nodes: [5, {}]}, {nodes: 5}]}\n",
    ],
)
def test_overrides_of_a_broken_file_report_its_problems_and_do_not_crash(
    text: str, bench: Path
) -> None:
    for overrides in (
        Overrides(scheme="dmr", board="inproc", accel=2, duration="1s", seed=1),
        Overrides(scheme="5mr", frames=3, pace="1x"),
        Overrides(scheme="dmr", bench=bench),
    ):
        assert "f.yaml:" in report(text, overrides)


# Bench --------------------------------------------------------------------------------------------


def test_the_bench_replaces_nodes_in_order_and_upsets_follow(file: Path, bench: Path) -> None:
    loaded = load(file, Overrides(bench=bench))
    assert [(n.name, n.board, n.port, n.baud) for n in loaded.scenario.rig.nodes] == [
        ("pi-1", "serial", "/dev/ttyUSB0", 115200),
        ("pi-2", "serial", "/dev/ttyUSB1", 921600),
        ("jetson", "serial", "socket://10.0.0.5:4000", 115200),
    ]
    upsets = loaded.scenario.upsets
    assert [event.node for event in upsets.events] == ["pi-1", "pi-2", "jetson", "pi-1"]
    assert [rate.nodes for rate in upsets.rates] == [None, ("pi-1", "jetson"), ("pi-2", "jetson")]
    assert loaded.notices == (
        "nodes take the names of the bench's boards: a is pi-1 (/dev/ttyUSB0), "
        "b is pi-2 (/dev/ttyUSB1), c is jetson (socket://10.0.0.5:4000)",
        "scheme tmr needs 3 boards; not used of the bench: spare",
    )


def test_a_bench_with_the_scenario_s_names_is_matched_by_name(file: Path, bench: Path) -> None:
    bench.write_text(
        "boards: [{name: c, port: x}, {name: a, port: y}, {name: b, port: z}]\n"  # no schema: 1
    )
    loaded = load(file, Overrides(bench=bench))
    assert [node.name for node in loaded.scenario.rig.nodes] == ["c", "a", "b"]
    assert [event.node for event in loaded.scenario.upsets.events] == ["a", "b", "c", "a"]
    assert loaded.notices == ()


def test_a_bench_makes_a_serial_scenario_without_ports_valid(file: Path, bench: Path) -> None:
    file.write_text(SCENARIO.replace("rig:", "rig:\n  board: serial"))
    with pytest.raises(ConfigError, match="serial board without a port"):
        load(file)
    assert load(file, Overrides(bench=bench)).scenario.rig.nodes[0].port == "/dev/ttyUSB0"


def test_software_boards_fill_up_what_the_bench_lacks_and_that_is_said(
    file: Path, bench: Path
) -> None:
    bench.write_text("boards:\n- {name: pi-1, port: /dev/ttyUSB0}\n")
    loaded = load(file, Overrides(bench=bench, board="process"))
    nodes = loaded.scenario.rig.nodes
    assert [str(node.board) for node in nodes] == ["serial", "process", "process"]
    assert len({node.name for node in nodes}) == 3 and nodes[0].name == "pi-1"
    assert any(notice.startswith("MIXED rig: pi-1 on real boards") for notice in loaded.notices)
    with pytest.raises(ConfigError, match="--boards process"):
        load(file, Overrides(bench=bench))


def test_boards_marked_absent_are_taken_last(file: Path, bench: Path) -> None:
    boards = "".join(
        f"- {{name: {n}, port: /dev/{n}, absent: {str(n == 'p1').lower()}}}\n"
        for n in ("p0", "p1", "p2", "p3")
    )
    bench.write_text(f"boards:\n{boards}")
    loaded = load(file, Overrides(bench=bench))
    assert [node.name for node in loaded.scenario.rig.nodes] == ["p0", "p2", "p3"]
    assert "not used of the bench: p1" in loaded.notices[-1]


def test_the_scheme_decides_how_many_boards_of_the_bench_are_used(file: Path, bench: Path) -> None:
    loaded = load(file, Overrides(bench=bench, scheme="dmr"))
    assert [node.name for node in loaded.scenario.rig.nodes] == ["pi-1", "pi-2"]
    assert "not used of the bench: jetson, spare" in loaded.notices[-1]
    with pytest.raises(ConfigError, match="the bench has 4 boards; scheme 5mr needs 5"):
        load(file, Overrides(bench=bench, scheme="5mr"))


def test_a_missing_or_broken_bench_is_reported_by_its_own_name(file: Path, bench: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml"):
        load(file, Overrides(bench=bench.with_name("none.yaml")))
    bench.write_text("boards: 5\n")
    with pytest.raises(ConfigError, match=r"bench\.yaml:1:9: \$.boards: the number 5; expected"):
        load(file, Overrides(bench=bench))


@pytest.mark.parametrize(
    ("text", "line", "column", "path", "words"),
    [
        ("schema: 1\n", 1, 1, "$.boards", "missing; expected a list"),
        ("boards: []\n", 1, 9, "$.boards", "no boards; expected at least one"),
        (
            "boards:\n- {name: a}\n",
            2,
            3,
            "$.boards[0].port",
            "none of `port:`, `adapter:` and `labgrid:`; expected one of them",
        ),
        ("boards:\n- a\n", 2, 3, "$.boards[0]", "the text `a`; expected a mapping"),
        ("boards:\n- {name: A, port: x}\n", 2, 10, "$.boards[0].name", "1 to 16 of a-z"),
        ("boards:\n- {name: a, port: 5}\n", 2, 19, "$.boards[0].port", "put it in quotes"),
        ("boards:\n- {name: a, port: x, baud: 1}\n", 2, 28, "$.boards[0].baud", "nearest is 9600"),
        ("boards:\n- {name: a, prot: x, port: x}\n", 2, 13, "$.boards[0].prot", "`port`?"),
        (
            "boards:\n- {name: a, port: x}\n- {name: a, port: y}\n",
            3,
            10,
            "$.boards[1].name",
            "that of board 1, too",
        ),
        (
            "boards:\n- {name: a, port: x}\n- {name: b, port: x}\n",
            3,
            19,
            "$.boards[1].port",
            "the port `x` is that of board 1, too",
        ),
        ("schema: 2\nboards: 5\n", 1, 9, "$.schema", "written for schema 2"),
        (
            "boards: [{name: a, port: x}]\nboards: [{name: a, port: x}]\n",
            2,
            1,
            "$.boards",
            "a second time",
        ),
    ],
)
def test_a_wrong_bench_is_reported_where_it_stands(
    text: str, line: int, column: int, path: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_bench(text)
    assert len(caught.value.problems) == 1, str(caught.value)
    problem = caught.value.problems[0]
    assert words in f"{problem.message}; {problem.remedy}"
    assert (problem.path, problem.line, problem.column) == (path, line, column)


def test_a_bench_is_loaded_with_its_defaults(bench: Path) -> None:
    loaded = load_bench(bench)
    assert [board.name for board in loaded.boards] == ["pi-1", "pi-2", "jetson", "spare"]
    assert [board.baud for board in loaded.boards] == [115200, 921600, 115200, 115200]


# JSON Schema --------------------------------------------------------------------------------------


@cache
def validator_of(schema: Callable[[], JsonObject]) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(validator.schema)
    return validator


def errors(schema: Callable[[], JsonObject], text: str) -> list[str]:
    validator = validator_of(schema)
    content = json.loads(json.dumps(yaml.safe_load(text), default=str))  # moments are text in JSON
    return [error.message for error in validator.iter_errors(content)]


def test_the_schemas_are_plain_json() -> None:
    for schema in (scenario_schema(), bench_schema()):
        assert json.loads(json.dumps(schema)) == schema
        assert str(schema["$schema"]).startswith("https://json-schema.org/")


@pytest.mark.parametrize("name", mostly_slow(SHIPPED, keep=4))
def test_the_schema_accepts_every_shipped_scenario(name: str) -> None:
    assert errors(scenario_schema, (assets.scenarios_dir() / f"{name}.yaml").read_text()) == []


def test_the_schema_accepts_the_short_forms_and_a_dump() -> None:
    assert errors(scenario_schema, SCENARIO) == []
    event = "{frame: 1, node: a, target: state, pattern: stuck}"
    text = f"workload: infer\nduration: 5s\nupsets: {{events: [{event}]}}\n"
    assert errors(scenario_schema, text) == []
    assert errors(bench_schema, BENCH) == []


@pytest.mark.parametrize(
    "text",
    [
        "frames: 5",
        "workload: infer",
        "workload: infr\nframes: 5",
        "workload: infer\nframes: 0",
        "workload: infer\nframes: 5\nduration: 5s",
        "workload: infer\nframes: 5\nschema: 2",
        "workload: infer\nframes: 5\nname: A b",
        "workload: infer\nframes: 5\nrigg: {}",
        "workload: infer\nframes: 5\nrig: {nodes: [A]}",
        "workload: infer\nframes: 5\nrig: {nodes: [{name: a, baud: 1}]}",
        "workload: infer\nframes: 5\nexpect: {slip: 0}",
        "workload: infer\nframes: 5\nupsets: {events: [{frame: 0, node: a, target: x}]}",
        "workload: infer\nframes: 5\nupsets: {rates: [{per_s: 1}]}",
        "workload: infer\nframes: 5\nupsets: {rates: [{target: x, per_s: 1}]}",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    assert report(text)
    assert errors(scenario_schema, text)


def test_every_key_of_the_schema_is_explained() -> None:
    schema: Any = scenario_schema()
    for name, model in {"Scenario": schema, **schema["$defs"]}.items():
        for form in model.get("anyOf", [model]):
            for key, value in form.get("properties", {}).items():
                part = schema["$defs"].get(value.get("$ref", "").removeprefix("#/$defs/"), {})
                explained = value.get("description") or part.get("description")
                assert explained, f"{name}.{key}"


def test_the_schema_and_the_model_have_the_same_keys() -> None:
    keys = {info.alias or name for name, info in Scenario.model_fields.items()}
    schema: Any = scenario_schema()
    assert set(schema["properties"]) == keys


def test_a_report_of_hundreds_of_problems_shows_twenty_and_keeps_all() -> None:
    problems = [Problem("a.yaml", n, 1, "$", f"number {n}") for n in range(1, 342)]
    error = ConfigError(problems)
    lines = str(error).splitlines()
    assert lines[:2] == ["341 problems:", "a.yaml:1:1: $: number 1"]
    assert lines[20:] == [
        "a.yaml:20:1: $: number 20",
        "and 321 more; --json lists all of them",
    ]
    assert len(error.problems) == 341

"""The scenario model: defaults, derived values, and every rule with the place it points at."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hil.errors import ConfigError, Problem
from hil.scenario import (
    MEMORY_TARGETS,
    PORTABLE_TARGETS,
    PROCESS_TARGETS,
    WORKLOADS,
    BoardKind,
    Direction,
    LinkNoiseKind,
    PatternConfig,
    PatternKind,
    Scenario,
    SchemeName,
    Sefi,
    UpsetTarget,
    parse_scenario,
)

MINIMAL = "workload: infer\nframes: 100\n"


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text, file="f.yaml")
    return caught.value.problems


def only_problem(text: str) -> Problem:
    found = problems(text)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def with_event(event: str, rig: str = "") -> str:
    return f"{MINIMAL}{rig}upsets:\n  events:\n  - {event}\n"


def with_rate(rate: str, rig: str = "") -> str:
    return f"{MINIMAL}{rig}upsets:\n  rates:\n  - {rate}\n"


def test_the_defaults_are_the_documented_ones() -> None:
    scenario = parse_scenario(MINIMAL, file="dir/My Test_1.yaml")
    assert scenario.schema_version == 1
    assert scenario.name == "my-test-1"
    assert (scenario.summary, scenario.seed, scenario.frame_ms) == ("", 1, 10)
    assert (scenario.frame_us, scenario.frame_count) == (10_000, 100)
    assert (scenario.pace, scenario.pace_factor) == ("free", None)
    assert (scenario.rig.scheme, scenario.rig.size) == (SchemeName.TMR, 3)
    assert [node.name for node in scenario.rig.nodes] == ["a", "b", "c"]
    assert all(node.board is BoardKind.PROCESS for node in scenario.rig.nodes)
    assert all(node.port is None and node.baud == 115200 for node in scenario.rig.nodes)
    recovery = scenario.recovery
    assert (recovery.resyncs, recovery.restarts, recovery.resets) == (2, 2, 1)
    assert (recovery.power_cycles, recovery.window_frames) == (1, 20)
    assert (recovery.reintegrate_frames, recovery.checkpoint_every) == (3, 16)
    assert (recovery.rollbacks, recovery.scrub_words) == (1, 64)
    timeouts = scenario.timeouts
    assert (timeouts.calibration_frames, timeouts.cpu_factor) == (32, 50)
    assert (timeouts.cpu_floor_ms, timeouts.lost_after_ms, timeouts.retry_ms) == (20, 3000, 250)
    assert (scenario.upsets.one_at_a_time, scenario.upsets.accel) == (False, 1)
    assert (scenario.upsets.events, scenario.upsets.rates) == ((), ())
    assert [(e.metric, e.wanted, e.default) for e in scenario.expectations] == [
        ("sdc_frames", "== 0", True),
        ("unresolved", "== 0", True),
        ("unexplained", "== 0", True),
    ]


def test_nothing_can_be_changed_afterwards() -> None:
    scenario = parse_scenario(MINIMAL)
    with pytest.raises(ValidationError):
        scenario.seed = 2
    with pytest.raises(ValidationError):
        scenario.rig.nodes[0].name = "x"


def test_words_equal_and_print_as_their_text() -> None:
    words: dict[str, int] = {UpsetTarget.STATE: 1}
    assert words["state"] == 1
    assert f"{UpsetTarget.STATE}" == str(UpsetTarget.STATE) == "state"
    assert f"{UpsetTarget.STATE:>6}" == " state"


def test_target_groups_are_the_documented_ones() -> None:
    assert {"state", "input", "output", "link"} == PORTABLE_TARGETS
    assert {"stack", "heap", "text", "gpr", "vector"} == PROCESS_TARGETS
    assert set(UpsetTarget) - MEMORY_TARGETS == {"link", "cpu", "board", "timing"}


@pytest.mark.parametrize(
    ("word", "size"),
    [("simplex", 1), ("dmr", 2), ("tmr", 3), ("4mr", 4), ("5mr", 5), ("6mr", 6), ("7mr", 7)],
)
def test_each_scheme_has_its_size_and_default_nodes(word: str, size: int) -> None:
    scenario = parse_scenario(f"{MINIMAL}rig: {{scheme: {word}}}\n")
    assert scenario.rig.size == size
    assert [node.name for node in scenario.rig.nodes] == list("abcdefg"[:size])


def test_nodes_may_be_names_or_mappings_and_take_the_board_of_the_rig() -> None:
    scenario = parse_scenario(
        MINIMAL + "rig:\n  board: inproc\n  nodes:\n  - on\n  - {name: x-1, board: process}\n"
        "  - {name: y_2, board: serial, port: 'socket://h:1', baud: 9600}\n"
    )
    assert [(n.name, n.board, n.port, n.baud) for n in scenario.rig.nodes] == [
        ("on", "inproc", None, 115200),
        ("x-1", "process", None, 115200),
        ("y_2", "serial", "socket://h:1", 9600),
    ]


@pytest.mark.parametrize(
    ("text", "frames", "frame_us"),
    [
        ("duration: 90s", 9000, 10_000),
        ("duration: 25ms", 2, 10_000),
        ("duration: 1s\nframe_ms: 0.07", 14285, 70),
        ("duration: 7d\nframe_ms: 100", 6_048_000, 100_000),
        ("frames: 1\nframe_ms: 0.01", 1, 10),
        ("frames: 3\nframe_ms: 33.333", 3, 33_333),
    ],
)
def test_length_and_frame_time_are_exact_integers(text: str, frames: int, frame_us: int) -> None:
    scenario = parse_scenario(f"workload: infer\n{text}\n")
    assert (scenario.frame_count, scenario.frame_us) == (frames, frame_us)


def test_a_full_scenario_survives_dump_and_validation() -> None:
    scenario = parse_scenario(
        MINIMAL
        + """
rig:
  nodes: [a, b, {name: c, board: serial, port: /dev/x}]
upsets:
  events:
  - {frame: 1, node: a, target: link}
  - {frame: 2, node: b, target: board, returns_after_frames: 3}
  - {frame: 3, node: c, target: cpu, sefi: reset, us: 5}
  - {frame: 4, node: a, target: gpr, tick: 3, steps: 9, bit: 7}
  - {frame: 5, node: a, target: output, pattern: {kind: stuck, value: 0}, permanent: true}
  - {frame: 6, node: a, target: state, pattern: {kind: random_word, width: 64}}
  rates:
  - {target: link, per_s: 1e-3, noises: {truncate: 1, drop: 2}}
  - {targets: [state, stack], nodes: [a, b], per_s: 2, patterns: {stuck: 1, bit: 0}, steps_max: 9}
expect: {availability: '>= 0.9', frames: 100}
"""
    )
    dump = scenario.model_dump(mode="json", by_alias=True)
    assert dump["schema"] == 1
    assert Scenario.model_validate(dump) == scenario
    assert list(scenario.upsets.rates[0].noises) == ["drop", "truncate"], "not the file's order"


def test_a_pattern_may_be_its_kind_alone_and_is_filled_in() -> None:
    for text, width, value in (
        ("bit", 1, None),
        ("adjacent", 2, None),
        ("stuck", 1, 1),
        ("zero_word", 32, None),
        ("random_word", 32, None),
    ):
        scenario = parse_scenario(
            with_event(f"{{frame: 0, node: a, target: state, pattern: {text}}}")
        )
        pattern = scenario.upsets.events[0].pattern
        assert (pattern.kind, pattern.width, pattern.value) == (text, width, value)


def test_events_are_filled_in_by_their_target() -> None:
    memory = parse_scenario(with_event("{frame: 0, node: a, target: state}")).upsets.events[0]
    assert (memory.tick, memory.us, memory.pattern.kind) == (0, None, PatternKind.BIT)
    assert (memory.noise, memory.direction, memory.action, memory.bit) == (None,) * 4
    timed = parse_scenario(with_event("{frame: 0, node: a, target: state, us: 7}"))
    assert (timed.upsets.events[0].tick, timed.upsets.events[0].us) == (None, 7)
    link = parse_scenario(with_event("{frame: 0, node: a, target: link}")).upsets.events[0]
    assert (link.noise, link.direction, link.tick) == (
        LinkNoiseKind.CORRUPT,
        Direction.TO_BOARD,
        None,
    )
    board = parse_scenario(with_event("{frame: 0, node: a, target: board}")).upsets.events[0]
    assert (board.action, board.returns_after_frames, board.tick) == ("power_loss", None, None)


def test_rates_are_filled_in() -> None:
    rate = parse_scenario(with_rate("{target: state, per_s: 1}")).upsets.rates[0]
    assert rate.targets == (UpsetTarget.STATE,)
    assert (rate.nodes, rate.steps_max) == (None, 0)
    assert (rate.patterns, rate.noises) == ({"bit": 1}, {"corrupt": 1})
    assert set(rate.sefis) == set(Sefi)


# One wrong value each: the place, and words that the message must have ----------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "path", "words"),
    [
        ("workload: infer", 1, 1, "$.frames", "length of the run is missing"),
        ("frames: 5", 1, 1, "$.workload", f"missing; expected one of {', '.join(WORKLOADS)}"),
        ("workload: infr\nframes: 5", 1, 11, "$.workload", "did you mean `infer`?"),
        (MINIMAL + "duration: 5s", 3, 11, "$.duration", "both `frames` and `duration`"),
        ("workload: infer\nduration: 9ms", 2, 11, "$.duration", "shorter than one frame (10 ms)"),
        ("workload: infer\nduration: 9", 2, 11, "$.duration", "no unit; expected text such as 90s"),
        ("workload: infer\nduration: 9e9", 2, 11, "$.duration", "no unit"),
        ("workload: infer\nduration: soon", 2, 11, "$.duration", "`soon` is not a duration"),
        ("workload: infer\nduration: 90000000d", 2, 11, "$.duration", "at most 10000000000"),
        ("workload: infer\nframes: 0", 2, 9, "$.frames", "expected a whole number from 1"),
        ("workload: infer\nframes: 1.5", 2, 9, "$.frames", "the number 1.5; expected a whole"),
        ("workload: infer\nframes: 1e3", 2, 9, "$.frames", "write 1000"),
        ("workload: infer\nframes: '5'", 2, 9, "$.frames", "remove the quotes"),
        ("workload: infer\nframes: true", 2, 9, "$.frames", "`true`; expected a whole number"),
        ("workload: infer\nframes: [5]", 2, 9, "$.frames", "a list; expected a whole number"),
        (MINIMAL + "seed: -1", 3, 7, "$.seed", "from 0 up to 9223372036854775807"),
        (MINIMAL + "seed: 9223372036854775808", 3, 7, "$.seed", "from 0 up to"),
        (MINIMAL + "seed:", 3, 6, "$.seed", "no value; expected a whole number"),
        (MINIMAL + "frame_ms: 0.0105", 3, 11, "$.frame_ms", "not a whole number of microseconds"),
        (MINIMAL + "frame_ms: 0", 3, 11, "$.frame_ms", "from 0.01 up to 60000"),
        (MINIMAL + "frame_ms: 60001", 3, 11, "$.frame_ms", "from 0.01 up to 60000"),
        (MINIMAL + "frame_ms: .nan", 3, 11, "$.frame_ms", "expected a number"),
        (MINIMAL + "frame_ms: .inf", 3, 11, "$.frame_ms", "expected a number"),
        (MINIMAL + "pace: warp", 3, 7, "$.pace", "not a pace"),
        (MINIMAL + "pace: 60", 3, 7, "$.pace", "write 60x"),
        (MINIMAL + "name: A b", 3, 7, "$.name", "1 to 64 of a-z, 0-9 and -"),
        (MINIMAL + "name: 5", 3, 7, "$.name", "put it in quotes"),
        (MINIMAL + "name: ''", 3, 7, "$.name", "not a valid scenario name"),
        (MINIMAL + "summary: [x]", 3, 10, "$.summary", "a list; expected text"),
        (MINIMAL + "rigg: {}", 3, 1, "$.rigg", "did you mean `rig`?"),
        (MINIMAL + "schema_version: 1", 3, 1, "$.schema_version", "unknown key"),
        (MINIMAL + "schema: 0", 3, 9, "$.schema", "from 1 up to 1"),
        (MINIMAL + "schema: '1'", 3, 9, "$.schema", "remove the quotes"),
        (MINIMAL + "rig: tmr", 3, 6, "$.rig", "the text `tmr`; expected a mapping"),
        (MINIMAL + "rig:", 3, 5, "$.rig", "no value; expected a mapping"),
        (MINIMAL + "rig: {unvoted_output: degraded}", 3, 23, "$.rig.unvoted_output", "`last_node`"),
        (
            MINIMAL + "rig: {scheme: nmr}",
            3,
            15,
            "$.rig.scheme",
            "rotating_tmr, primary_monitors, plan_pair, doer_checkers; did you mean",
        ),
        (MINIMAL + "rig: {scheme: 3}", 3, 15, "$.rig.scheme", "the number 3; expected one of"),
        (MINIMAL + "rig: {board: emulatd}", 3, 14, "$.rig.board", "did you mean `emulated`?"),
        (MINIMAL + "rig: {board: proces}", 3, 14, "$.rig.board", "did you mean `process`?"),
        (MINIMAL + "rig: {nodes: 3}", 3, 14, "$.rig.nodes", "the number 3; expected a list"),
        (MINIMAL + "rig: {nodes: [a, b]}", 3, 14, "$.rig.nodes", "2 nodes; scheme tmr needs"),
        (MINIMAL + "rig: {nodes: [a, b]}", 3, 14, "$.rig.nodes", "write `scheme: dmr`"),
        (MINIMAL + "rig: {nodes: []}", 3, 14, "$.rig.nodes", "0 nodes; scheme tmr needs exactly 3"),
        (MINIMAL + "rig: {nodes: [a, b, a]}", 3, 21, "$.rig.nodes[2]", "that of node 1, too"),
        (MINIMAL + "rig: {nodes: [a, b, C]}", 3, 21, "$.rig.nodes[2]", "1 to 16 of a-z"),
        (MINIMAL + "rig: {nodes: [a, b, 7]}", 3, 21, "$.rig.nodes[2]", "expected a mapping"),
        (MINIMAL + "rig: {nodes: [a, b, {}]}", 3, 21, "$.rig.nodes[2].name", "missing"),
        (
            MINIMAL + "rig: {nodes: [a, b, {name: c, baud: 100}]}",
            3,
            37,
            "$.rig.nodes[2].baud",
            "100 is not a rate that agents know; expected one of 9600",
        ),
        (
            MINIMAL + "rig: {nodes: [a, b, {name: c, baud: 9600, buad: 1}]}",
            3,
            43,
            "$.rig.nodes[2].buad",
            "did you mean `baud`?",
        ),
        (
            MINIMAL + "rig: {nodes: [a, b, {name: c, board: serial}]}",
            3,
            21,
            "$.rig.nodes[2].port",
            "node c is a serial board without a port",
        ),
        (
            MINIMAL + "rig: {nodes: [a, b, {name: c, port: /dev/x}]}",
            3,
            37,
            "$.rig.nodes[2].port",
            "node c has a port, but is a process board",
        ),
        (
            MINIMAL + "rig:\n  scheme: dmr\n  board: serial\n"
            "  nodes: [{name: a, port: x}, {name: b, port: x}]",
            6,
            47,
            "$.rig.nodes[1].port",
            "the port x is that of node a, too",
        ),
        (
            MINIMAL + "rig: {scheme: simplex, board: serial, nodes: [{name: a, port: ' '}]}",
            3,
            63,
            "$.rig.nodes[0].port",
            "is not a valid port",
        ),
        (MINIMAL + "recovery: {resyncs: -1}", 3, 21, "$.recovery.resyncs", "from 0"),
        (MINIMAL + "recovery: {window_frames: 0}", 3, 27, "$.recovery.window_frames", "from 1"),
        (MINIMAL + "recovery: {window: 5}", 3, 12, "$.recovery.window", "`window_frames`?"),
        (MINIMAL + "timeouts: {cpu_factor: 1}", 3, 24, "$.timeouts.cpu_factor", "above 1"),
        (
            MINIMAL + "timeouts: {calibration_frames: 3}",
            3,
            32,
            "$.timeouts.calibration_frames",
            "from 4 up to 10000",
        ),
        (MINIMAL + "timeouts: {retry_ms: 3000}", 3, 22, "$.timeouts.retry_ms", "not below lost_"),
        (MINIMAL + "timeouts: {cpu_floor_ms: 0}", 3, 26, "$.timeouts.cpu_floor_ms", "above 0"),
        (MINIMAL + "upsets: []", 3, 9, "$.upsets", "a list; expected a mapping"),
        (MINIMAL + "upsets: {accel: 0}", 3, 17, "$.upsets.accel", "above 0"),
        (MINIMAL + "upsets: {accel: .inf}", 3, 17, "$.upsets.accel", "expected a number"),
        (MINIMAL + "upsets: {one_at_a_time: 5}", 3, 25, "$.upsets.one_at_a_time", "true or false"),
        (MINIMAL + "upsets: {events: {}}", 3, 18, "$.upsets.events", "a mapping; expected a list"),
        (MINIMAL + "upsets:\n  events:", 4, 10, "$.upsets.events", "no value; expected a list"),
        (MINIMAL + "expect: [a]", 3, 9, "$.expect", "a list; expected a mapping"),
        (MINIMAL + "expect: {sdc_escape: 0}", 3, 10, "$.expect.sdc_escape", "`sdc_escaped`?"),
        (
            MINIMAL + "expect: {slips: '=< 1'}",
            3,
            17,
            "$.expect.slips",
            "`=< 1` is not a valid comparison",
        ),
        (MINIMAL + "expect: {slips: '=< 1'}", 3, 17, "$.expect.slips", 'range 1..5; write "<= 1"'),
        (MINIMAL + "expect: {slips: '> = 1'}", 3, 17, "$.expect.slips", 'write ">= 1"'),
        (MINIMAL + "expect: {slips: '≥ 1e-3'}", 3, 17, "$.expect.slips", 'write ">= 1e-3"'),
        (MINIMAL + "expect: {slips: '=0'}", 3, 17, "$.expect.slips", 'write "== 0"'),
        (MINIMAL + "expect: {slips: '=> 5 %'}", 3, 17, "$.expect.slips", 'write ">= 0.05"'),
        (MINIMAL + "expect: {slips: true}", 3, 17, "$.expect.slips", "not a number or comparison"),
        (MINIMAL + "expect:\n  slips:", 4, 9, "$.expect.slips", "not a number or comparison"),
    ],
)
def test_a_wrong_value_is_reported_where_it_stands(
    text: str, line: int, column: int, path: str, words: str
) -> None:
    problem = only_problem(text)
    assert words in f"{problem.message}; {problem.remedy}"
    assert (problem.path, problem.line, problem.column) == (path, line, column)


A = "frame: 0, node: a, "


@pytest.mark.parametrize(
    ("event", "key", "words"),
    [
        ("frame: 100, node: a, target: state", "frame", "past the end of the run; expected 0"),
        ("frame: -1, node: a, target: state", "frame", "from 0"),
        ("node: a, target: state", "frame", "neither `frame` nor `at` is given"),
        ("frame: 0, node: d, target: state", "node", "no node `d`; the rig has a, b, c"),
        ("frame: 0, target: state", "node", "missing"),
        ("frame: 0, node: a", "target", "missing; expected one of state, input"),
        (A + "target: registers", "target", "did you mean `gpr`?"),
        (A + "target: state, tick: -1", "tick", "from 0"),
        (A + "target: state, tick: 4294967296", "tick", "up to 4294967295"),
        (A + "target: state, tick: 1, us: 1", "us", "both `tick` and `us`"),
        (A + "target: stack, us: 1, steps: 1", "steps", "counts from a tick"),
        (A + "target: state, steps: 1", "steps", "no meaning for target state"),
        (A + "target: cpu", "sefi", "needs `sefi:`; expected one of hang, crash, reset"),
        (A + "target: cpu, sefi: stop", "sefi", "expected one of hang, crash, reset"),
        (A + "target: cpu, sefi: hang, pattern: stuck", "pattern", "no meaning for target cpu"),
        (A + "target: cpu, sefi: hang, bit: 3", "bit", "no meaning for target cpu"),
        (A + "target: state, sefi: hang", "sefi", "it is for cpu"),
        (A + "target: state, noise: drop", "noise", "it is for link"),
        (A + "target: state, direction: to_host", "direction", "it is for link"),
        (A + "target: state, action: power_loss", "action", "it is for board"),
        (A + "target: state, returns_after_frames: 1", "returns_after_frames", "for board"),
        (A + "target: link, tick: 0", "tick", "no meaning for target link"),
        (A + "target: link, us: 0", "us", "no meaning for target link"),
        (A + "target: link, noise: loud", "noise", "expected one of corrupt, drop"),
        (A + "target: link, noise: drop, bit: 1", "bit", "no meaning for noise drop"),
        (A + "target: link, direction: up", "direction", "to_board, to_host"),
        (A + "target: board, tick: 1", "tick", "no meaning for target board"),
        (A + "target: board, action: explode", "action", "expected one of power_loss, latch_up"),
        (A + "target: board, returns_after_frames: 0", "returns_after_frames", "from 1"),
        (A + "target: state, hold_frames: 2", "hold_frames", "only for pattern stuck"),
        (A + "target: state, permanent: true", "permanent", "only for pattern stuck"),
        (
            A + "target: state, pattern: stuck, permanent: true, hold_frames: 2",
            "hold_frames",
            "never released",
        ),
        (A + "target: gpr, pattern: stuck", "pattern", "gpr cannot be stuck"),
        (A + "target: state, bit: -1", "bit", "from 0"),
        (A + "target: state, pattern: flip", "pattern", "expected one of bit, adjacent"),
        (A + "target: state, pattern: 5", "pattern", "the number 5; expected a mapping"),
        (A + "target: state, pattern: {width: 2}", "pattern.kind", "missing; expected one of bit"),
        (A + "target: state, pattern: {kind: bit, width: 2}", "pattern.width", "always one bit"),
        (A + "target: state, pattern: {kind: adjacent, width: 1}", "pattern.width", "2 to 64"),
        (A + "target: state, pattern: {kind: adjacent, width: 65}", "pattern.width", "2 to 64"),
        (A + "target: state, pattern: {kind: zero_word, width: 12}", "pattern.width", "8, 16, 32"),
        (A + "target: state, pattern: {kind: stuck, value: 2}", "pattern.value", "stuck at 2"),
        (A + "target: state, pattern: {kind: bit, value: 1}", "pattern.value", "takes no value"),
        (
            A + "target: state, pattern: {kind: random_word, width: 8, value: 256}",
            "pattern.value",
            "does not fit 8 bits",
        ),
        (A + "target: state, ticks: 5", "ticks", "did you mean `tick`?"),
    ],
)
def test_a_wrong_event_is_reported_at_the_key(event: str, key: str, words: str) -> None:
    problem = only_problem(with_event(f"{{{event}}}"))
    assert words in f"{problem.message}; {problem.remedy}"
    assert problem.path == f"$.upsets.events[0].{key}"
    assert problem.line == 5
    written = f"{key.rsplit('.', maxsplit=1)[-1]}: "
    text = f"  - {{{event}}}"
    if problem.column != 5 and "pattern: {" not in text:
        start = text.index(written) if written in text else -1
        assert problem.column - 1 in (start, start + len(written)), text[problem.column - 1 :]


@pytest.mark.parametrize(
    ("rate", "key", "words"),
    [
        ("target: state", "per_s", "missing; expected a number above 0"),
        ("per_s: 1", "targets", "timing, or a list of them"),
        ("target: state, per_s: 0", "per_s", "above 0 up to 1000000"),
        ("target: state, per_s: fast", "per_s", "the text `fast`; expected a number"),
        ("target: state, targets: [input], per_s: 1", "target", "both `target` and `targets`"),
        ("targets: [], per_s: 1", "targets", "no target; expected one of state"),
        ("targets: [state, stat], per_s: 1", "targets[1]", "did you mean `state`?"),
        ("targets: [state, state], per_s: 1", "targets[1]", "named twice"),
        ("targets: {state: 1}, per_s: 1", "targets", "a mapping; expected"),
        ("target: stat, per_s: 1", "target", "did you mean `state`?"),
        ("target: board, per_s: 1", "target", "only in single events"),
        ("target: state, per_s: 1, nodes: []", "nodes", "no node"),
        ("target: state, per_s: 1, nodes: [a, x]", "nodes[1]", "no node `x`"),
        ("target: state, per_s: 1, nodes: [a, a]", "nodes[1]", "named twice"),
        ("target: state, per_s: 1, nodes: a", "nodes", "the text `a`; expected a list"),
        ("target: state, per_s: 1, patterns: {bit: 0}", "patterns", "all weights are zero"),
        ("target: state, per_s: 1, patterns: {}", "patterns", "all weights are zero"),
        ("target: state, per_s: 1, patterns: {bitt: 1}", "patterns.bitt", "did you mean `bit`?"),
        (
            "target: state, per_s: 1, patterns: {bit: -1}",
            "patterns.bit",
            "expected a weight from 0",
        ),
        ("target: state, per_s: 1, patterns: bit", "patterns", "expected a mapping"),
        ("target: gpr, per_s: 1, patterns: {stuck: 1}", "patterns.stuck", "gpr cannot be stuck"),
        ("target: link, per_s: 1, patterns: {stuck: 1}", "patterns", "no meaning for link"),
        ("target: state, per_s: 1, noises: {drop: 1}", "noises", "it is for link"),
        ("target: state, per_s: 1, sefis: {hang: 1}", "sefis", "it is for cpu"),
        ("target: cpu, per_s: 1, sefis: {stop: 1}", "sefis.stop", "expected one of hang"),
        ("target: state, per_s: 1, steps_max: 5", "steps_max", "no meaning for state"),
        ("target: state, per_s: 1, per_sec: 5", "per_sec", "did you mean `per_s`?"),
    ],
)
def test_a_wrong_rate_is_reported_at_the_key(rate: str, key: str, words: str) -> None:
    problem = only_problem(with_rate(f"{{{rate}}}"))
    assert words in f"{problem.message}; {problem.remedy}"
    assert problem.path == f"$.upsets.rates[0].{key}"
    assert problem.line == 5


@pytest.mark.parametrize("target", sorted(PROCESS_TARGETS))
def test_targets_that_inproc_nodes_lack_are_refused_by_node_and_target(target: UpsetTarget) -> None:
    rig = "rig: {nodes: [a, {name: b, board: inproc}, {name: c, board: inproc}]}\n"
    parse_scenario(with_event(f"{{frame: 0, node: a, target: {target}}}", rig))
    problem = only_problem(with_event(f"{{frame: 0, node: b, target: {target}}}", rig))
    assert problem.path == "$.upsets.events[0].target"
    assert f"target {target} needs a worker process, but node b" in problem.message
    assert problem.remedy == "run with --boards process, or remove it"
    parse_scenario(with_rate(f"{{target: {target}, per_s: 1, nodes: [a]}}", rig))
    problem = only_problem(with_rate(f"{{target: {target}, per_s: 1}}", rig))
    assert problem.path == "$.upsets.rates[0].target"
    assert "nodes b, c are inproc boards" in problem.message


@pytest.mark.parametrize("target", sorted(set(UpsetTarget) - PROCESS_TARGETS - {"board-ram"}))
def test_all_other_targets_exist_on_inproc_nodes(target: UpsetTarget) -> None:
    needed = {"cpu": ", sefi: hang", "timing": ", timing: {late_by: 1ms}"}
    sefi = needed.get(str(target), "")
    scenario = parse_scenario(
        with_event(f"{{frame: 0, node: a, target: {target}{sefi}}}", "rig: {board: inproc}\n")
    )
    assert scenario.upsets.events[0].target == target


@pytest.mark.parametrize("board", ["inproc", "process"])
def test_only_emulated_boards_are_hit_all_over_their_memory(board: str) -> None:
    event = "{frame: 0, node: a, target: board-ram, part: kernel, pattern: adjacent}"
    problem = only_problem(with_event(event, f"rig: {{board: {board}}}\n"))
    assert problem.path == "$.upsets.events[0].target"
    assert problem.remedy == "run with --boards emulated, or remove it"
    for word in ("emulated", "emulated-rpi3"):
        scenario = parse_scenario(with_event(event, f"rig: {{board: {word}}}\n"))
        assert {node.board for node in scenario.rig.nodes} == {BoardKind.EMULATED}
        hit = scenario.upsets.events[0]
        assert (hit.part, hit.tick) == ("kernel", None)
        assert Scenario.model_validate(scenario.model_dump(by_alias=True)) == scenario
    mixed = f"rig: {{board: emulated, nodes: [a, b, {{name: c, board: {board}}}]}}\n"
    parse_scenario(with_event(event, mixed))
    problem = only_problem(with_rate("{target: board-ram, per_s: 1}", mixed))
    assert "node c is not an emulated board" in problem.message


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("tick: 3", "tick"),
        ("steps: 3", "steps"),
        ("pattern: stuck", "pattern"),
        ("permanent: true", "permanent"),
        ("sefi: hang", "sefi"),
    ],
)
def test_what_has_no_meaning_for_board_memory_is_refused(more: str, key: str) -> None:
    text = with_event(
        f"{{frame: 0, node: a, target: board-ram, {more}}}", "rig: {board: emulated}\n"
    )
    assert only_problem(text).path == f"$.upsets.events[0].{key}"


def test_yes_and_no_are_understood_as_true_and_false() -> None:
    assert parse_scenario(f"{MINIMAL}upsets: {{one_at_a_time: yes}}").upsets.one_at_a_time is True
    assert parse_scenario(f"{MINIMAL}upsets: {{one_at_a_time: off}}").upsets.one_at_a_time is False


def test_a_pattern_can_be_made_in_code() -> None:
    assert PatternConfig(kind=PatternKind.ADJACENT).width == 2
    with pytest.raises(ValidationError, match="2 to 64 bits"):
        PatternConfig(kind=PatternKind.ADJACENT, width=1)


def test_a_scenario_made_in_code_is_checked_by_the_same_rules() -> None:
    good: dict[str, Any] = {"workload": "infer", "frames": 5}
    assert Scenario.model_validate(good).frame_count == 5
    event = {"frame": 5, "node": "x", "target": "state"}
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate({**good, "upsets": {"events": [event]}})
    assert {error["loc"] for error in caught.value.errors()} == {
        ("upsets", "events", 0, "frame"),
        ("upsets", "events", 0, "node"),
    }

"""Upsets beyond what a workload has are refused before the run, with the place and the range.

The sizes are those of csrc/kernel/workloads: attitude has 6 ticks, a state of 64 bytes, an input
and an output of 56, a heap of 136; sha256 17 ticks and a state of 296 bytes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hil.engine.loop import Loop
from hil.errors import ConfigError
from hil.kernel import workload, workloads
from hil.record.reader import Reader
from hil.rig.emulated.ram import GUEST_BYTES
from hil.scenario import Scenario, UpsetTarget
from hil.scenario.words import STEPS_MAX
from hil.upsets.limits import AGENT_BITS, BOARD_RAM_BYTES, LARGEST_BITS, UpsetLimits, check_upsets
from hil.upsets.planner import UpsetPlanner
from hil.wire.messages import Hello

CSRC = Path(__file__).resolve().parents[2] / "csrc"


def scenario(*events: dict[str, Any], board: str = "process", **keys: Any) -> Scenario:
    upsets: dict[str, Any] = {"events": [{"frame": 20, "node": "a", **e} for e in events]}
    upsets |= keys.pop("upsets", {})
    return Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 40,
            "rig": {"scheme": "tmr", "board": board},
            "upsets": upsets,
            **keys,
        }
    )


def problems(found: Scenario) -> list[str]:
    try:
        check_upsets(found)
    except ConfigError as error:
        return [f"{p.path} {p.message}" for p in error.problems]
    return []


@pytest.mark.parametrize(
    ("event", "key", "says"),
    [
        ({"target": "state", "tick": 7}, "tick", "has 6; expected 0 (before it begins) to 6"),
        ({"target": "cpu", "sefi": "crash", "tick": 999}, "tick", "expected 0"),
        ({"target": "gpr", "tick": 7}, "tick", "expected 0"),
        ({"target": "checkpoint", "tick": 7}, "tick", "expected 0"),
        ({"target": "state", "bit": 512}, "bit", "512 bits; expected 0 to 511"),
        ({"target": "input", "bit": 448}, "bit", "448 bits; expected 0 to 447"),
        ({"target": "output", "bit": 448}, "bit", "expected 0 to 447"),
        ({"target": "heap", "bit": 1088}, "bit", "expected 0 to 1087"),
        ({"target": "checkpoint", "bit": 512}, "bit", "expected 0 to 511"),
        ({"target": "checkpoint", "bit": 511, "pattern": "adjacent"}, "bit", "expected 0 to 510"),
        ({"target": "check-bits", "bit": 64}, "bit", "64 bits; expected 0 to 63"),
        ({"target": "check-bits", "frame": 0}, "frame", "expected frame 1 or later"),
        ({"target": "agent", "bit": AGENT_BITS}, "bit", f"expected 0 to {AGENT_BITS - 1}"),
        ({"target": "text", "bit": 5_000_000}, "bit", "at most; expected 0 to"),
        ({"target": "stack", "bit": 2_097_152}, "bit", "expected 0 to 2097151"),
        ({"target": "gpr", "bit": 2112}, "bit", "expected 0 to 2111"),
        ({"target": "vector", "bit": 4096}, "bit", "expected 0 to 4095"),
        ({"target": "state", "bit": 511, "pattern": "adjacent"}, "bit", "expected 0 to 510"),
        (
            {"target": "state", "bit": 449, "pattern": {"kind": "adjacent", "width": 64}},
            "bit",
            "expected 0 to 448",
        ),
        (
            {"target": "heap", "bit": 1088, "pattern": {"kind": "zero_word", "width": 64}},
            "bit",
            "expected 0 to 1087",
        ),
        (
            {"target": "state", "bit": 512, "pattern": {"kind": "random_word", "width": 8}},
            "bit",
            "expected 0 to 511",
        ),
        ({"target": "state", "bit": 512, "pattern": "stuck"}, "bit", "expected 0 to 511"),
        ({"target": "link", "bit": 5_000_000}, "bit", "the STEP message to_board has"),
        ({"target": "link", "bit": 5_000_000, "direction": "to_host"}, "bit", "to_host has"),
        ({"target": "checkpoint", "frame": 0}, "frame", "expected frame 1 or later"),
        ({"target": "checkpoint", "at": "1ms", "frame": None}, "at", "expected frame 1 or later"),
    ],
)
def test_what_no_step_and_no_target_has_is_refused_with_its_range(
    event: dict[str, Any], key: str, says: str
) -> None:
    found = problems(scenario(event))
    assert len(found) == 1, found
    assert found[0].startswith(f"$.upsets.events.0.{key} ")
    assert says in found[0]


@pytest.mark.parametrize(
    "event",
    [
        {"target": "state", "tick": 6, "bit": 511},
        {"target": "input", "bit": 447},
        {"target": "heap", "bit": 1087},
        {"target": "state", "bit": 510, "pattern": "adjacent"},
        {"target": "state", "bit": 480, "pattern": "zero_word"},
        {"target": "gpr", "bit": 2111, "steps": STEPS_MAX},
        {"target": "cpu", "sefi": "hang", "tick": 6},
        {"target": "checkpoint", "frame": 1, "bit": 511},
        {"target": "link", "bit": 0},
        {"target": "link", "noise": "drop"},
        {"target": "board"},
    ],
)
def test_the_last_position_of_each_kind_is_accepted(event: dict[str, Any]) -> None:
    assert problems(scenario(event)) == []


def test_an_inproc_step_has_its_virtual_time_and_no_more() -> None:
    assert problems(scenario({"target": "state", "us": 60}, board="inproc")) == []
    found = problems(scenario({"target": "state", "us": 61}, board="inproc"))
    assert found == [
        "$.upsets.events.0.us a step of attitude takes 60 us on an inproc board; expected 0 to 60"
    ]


def test_a_hit_of_board_memory_comes_before_its_frame_ends() -> None:
    event = {"target": "board-ram", "us": 10_001, "bit": GUEST_BYTES * 8}
    found = problems(scenario(event, board="emulated"))
    assert [f.split()[0] for f in found] == ["$.upsets.events.0.us", "$.upsets.events.0.bit"]


def test_checkpoints_that_are_never_taken_are_no_target() -> None:
    event = {"target": "checkpoint"}
    rates = {"rates": [{"targets": ["state", "checkpoint"], "per_s": 1}]}
    found = problems(scenario(event, upsets=rates, recovery={"checkpoint_every": 0}))
    assert [f.split()[0] for f in found] == [
        "$.upsets.events.0.target",
        "$.upsets.rates.0.targets.1",
    ]


def test_nobody_can_cut_the_power_of_a_board_without_a_switch() -> None:
    rig = {"scheme": "simplex", "board": "serial", "nodes": [{"name": "a", "port": "/dev/ttyX"}]}
    found = problems(scenario({"target": "board"}, rig=rig))
    assert len(found) == 1
    assert "nothing is known that switches the power of node a" in found[0]


def test_more_instructions_than_an_agent_counts_are_refused_as_the_file_is_read() -> None:
    with pytest.raises(ValidationError, match="steps"):
        scenario({"target": "gpr", "steps": 4_000_000})
    with pytest.raises(ValidationError, match="steps_max"):
        scenario(upsets={"rates": [{"target": "gpr", "per_s": 1, "steps_max": 4_000_000}]})


def test_the_limits_are_those_of_the_c_code() -> None:
    def constants(file: str, name: str) -> list[int]:
        text = (CSRC / file).read_text()
        return [eval(x) for x in re.findall(rf"{name}(?: =)? ([0-9 *]+)u?[,; }}/\n]", text)]  # noqa: S307

    assert constants("agent/agent_config.h", "AGENT_ADVANCE_MAX") == [STEPS_MAX]
    assert constants("port/linux/port_linux.h", "WORKER_STACK_LEN") == [
        LARGEST_BITS[UpsetTarget.STACK] // 8
    ]
    arch = "port/linux/worker_arch.h"
    registers = [
        8 * count * size
        for count, size in zip(
            constants(arch, "ARCH_GPR_COUNT"), constants(arch, "ARCH_GPR_BYTES"), strict=True
        )
    ]
    assert max(registers) == LARGEST_BITS[UpsetTarget.GPR]
    assert max(constants(arch, "ARCH_VECTOR_BYTES")) * 8 == LARGEST_BITS[UpsetTarget.VECTOR]
    assert BOARD_RAM_BYTES == GUEST_BYTES


def hello(**keys: Any) -> Hello:
    values = {
        "wire_version": 1,
        "pointer_bits": 64,
        "cores": 1,
        "memory_mib": 1,
        "boot_id": 1,
        "uptime_us": 0,
        "targets": frozenset({"gpr", "vector"}),
        "gpr_count": 17,
        "vector_bytes": 256,
        "port": "",
        "arch": "x86_64",
        "version": "",
        "board": "",
        "serial": "",
    }
    return Hello(**{**values, **keys})


def test_registers_are_those_of_the_board_once_it_has_said_so() -> None:
    limits = UpsetLimits(scenario({"target": "gpr", "bit": 1088}))
    limits.check()  # a larger processor has it
    limits.add_board("a", hello())
    with pytest.raises(ConfigError, match="1088 bits; expected 0 to 1087"):
        limits.check()


def test_a_time_that_no_step_takes_is_refused_after_the_calibration() -> None:
    limits = UpsetLimits(scenario({"target": "state", "us": 300}))
    limits.set_slowest_step(150)
    limits.check()
    limits.set_slowest_step(149)
    with pytest.raises(ConfigError, match="took 149 us; expected 0 to 298, not 300"):
        limits.check()


def test_more_instructions_than_the_board_executes_are_refused_after_the_calibration() -> None:
    limits = UpsetLimits(scenario({"target": "gpr", "tick": 6, "steps": 41}))
    limits.set_reach("a", [900, 800, 700, 600, 500, 400, 40])
    with pytest.raises(ConfigError, match="executes 40 instructions from tick 6"):
        limits.check()


def test_no_upset_is_drawn_further_behind_a_tick_than_the_step_goes() -> None:
    rates = {"rates": [{"target": "gpr", "per_s": 5000, "steps_max": 1000}]}
    planner = UpsetPlanner(
        scenario(upsets=rates), next(w for w in workloads() if w.name == "attitude")
    )
    reach = [5000, 900, 700, 400, 200, 80, 8]
    planner.reach = {"a": reach}
    plans = [p for frame in range(40) for p in planner.due(frame, settled=True)]
    mine = [p for p in plans if p.node == "a"]
    assert len(mine) > 500
    assert all(p.steps <= reach[p.tick] for p in mine)
    assert max(p.steps for p in mine if p.tick == 0) > 900
    assert max(p.steps for p in plans if p.node == "b" and p.tick == 6) > 900


def test_no_checkpoint_is_drawn_to_be_hit_before_there_is_one() -> None:
    rates = {"rates": [{"targets": ["checkpoint"], "per_s": 1000}]}
    planner = UpsetPlanner(scenario(upsets=rates), workloads()[0])
    assert planner.due(0, settled=True) == []
    assert planner.due(1, settled=True) != []


def run(found: Scenario, path: Path) -> list[Any]:
    Loop(found, path).run()
    reader = Reader(path / "run.db")
    rows = list(reader.rows("SELECT * FROM upsets ORDER BY id"))
    reader.close()
    return rows


def test_instructions_behind_a_tick_are_counted_on_the_board_itself(tmp_path: Path) -> None:
    event = {"target": "gpr", "tick": 6, "steps": 100_000}
    with pytest.raises(ConfigError, match=r"executes \d+ instructions from tick 6"):
        run(scenario(event, rig={"scheme": "simplex"}), tmp_path)
    near = {"target": "gpr", "tick": 1, "steps": 50, "bit": 0}
    (tmp_path / "near").mkdir()
    (row,) = run(scenario(near, rig={"scheme": "simplex"}), tmp_path / "near")
    assert (row["state"], row["tick"], row["steps"]) == ("injected", 1, 50)


@pytest.mark.slow
def test_all_drawn_upsets_behind_ticks_are_made(tmp_path: Path) -> None:
    rates = {"rates": [{"target": "vector", "per_s": 40, "steps_max": 2000}], "one_at_a_time": True}
    found = scenario(upsets=rates, frames=300, rig={"scheme": "simplex"})
    rows = run(found, tmp_path)
    assert len(rows) > 30
    assert {row["state"] for row in rows} == {"injected"}
    assert any(row["planned_tick"] == 6 for row in rows)


@pytest.mark.parametrize("target", ["text", "stack"])
def test_a_bit_beyond_what_only_the_board_knows_is_not_made(tmp_path: Path, target: str) -> None:
    # The largest that is not refused before the run: eight times the host's own text.
    bit = {"text": 64 * workload("attitude").text_len - 1, "stack": 2_000_000}[target]
    (row,) = run(scenario({"target": target, "bit": bit}, rig={"scheme": "simplex"}), tmp_path)
    assert (row["state"], row["verified"]) == ("failed", 0)
    assert 0 < row["space"] <= bit
    assert row["detail"] == f"bit {bit} is beyond the {target}, which had {row['space']} bits"

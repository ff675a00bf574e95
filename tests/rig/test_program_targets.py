"""Upsets of what only a program of the user has: its registers, stack, heap and machine code."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.rig.node import CRASHED, DONE, HUNG
from hil.rig.program import golden_run
from hil.rig.rig import Rig
from hil.scenario import Scenario
from hil.wire.messages import Arm, Report
from tests.amount import mostly_slow

from .contract import SEED, is_golden, one, report_of
from .exec_rig import EXAMPLES, HOSTILE, MakeRig, program_pid, python
from .test_process_board import agent_pid, until

pytestmark = pytest.mark.ptrace

INSIDE = ["gpr", "vector", "stack", "heap", "text"]


def tracer_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("TracerPid")))


def mappings(pid: int, target: str) -> list[tuple[int, int]]:
    """Begin and end of the pieces of a target, as EXEC.md says."""
    executable = str(Path(f"/proc/{pid}/exe").readlink())
    out = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        name = fields[5].strip() if len(fields) > 5 else ""
        begin, end = (int(x, 16) for x in fields[0].split("-"))
        rights = fields[1]
        if target == "text":
            fits = rights[2] == "x" and name == executable
        elif target == "stack":
            fits = name == "[stack]"
        else:
            own = name in ("", "[heap]", executable) or name.startswith("[anon")
            fits = rights.startswith("rw") and rights[3] == "p" and own
        if fits:
            out.append((begin, end))
    return out


def byte_at(pid: int, target: str, offset: int, space: int) -> int:
    """The byte of a target; that of a stack is counted back from its end."""
    pieces = mappings(pid, target)
    total = sum(end - begin for begin, end in pieces)
    if target == "stack":
        offset += total - space
    for begin, end in pieces:
        if offset < end - begin:
            with Path(f"/proc/{pid}/mem").open("rb") as memory:
                memory.seek(begin + offset)
                return memory.read(1)[0]
        offset -= end - begin
    raise AssertionError("past the end of the target")


def hit(rig: Rig, target: str, frame: int = 0, **how: object) -> Report:
    """Run a frame with one upset, and return its report."""
    golden = golden_run("exec:c", SEED)
    for _ in range(frame + 1):
        golden.step()
    arm = Arm(1, frame, target, "bit", **how)  # type: ignore[arg-type]
    assert rig.arm(rig.nodes[0], arm) is None
    one(rig, frame, golden.input)
    return report_of(rig, rig.nodes[0], 1)


@pytest.mark.parametrize("tick", [0, 1])
@pytest.mark.parametrize("target", INSIDE)
def test_a_program_is_hit_read_back_and_left_untraced(
    make_rig: MakeRig, target: str, tick: int
) -> None:
    rig = make_rig("c")
    report = hit(rig, target, tick=tick, bit=123)
    assert (report.state, report.verified, report.changed, report.tick) == (
        "injected",
        True,
        True,
        tick,
    )
    assert report.before[0] ^ report.after[0] == 1 << 3
    rig.restart(rig.nodes[0])
    assert tracer_of(program_pid(rig)) == 0


@pytest.mark.parametrize("target", ["heap", "text", "stack"])
def test_the_bit_that_is_reported_is_the_one_that_changed(make_rig: MakeRig, target: str) -> None:
    """Seen from outside, by the system's own list of the program's mappings."""
    rig = make_rig("py")
    for bit in (7, 8 * 1000 + 2):
        report = hit(rig, target, tick=1, bit=bit, exact=True)
        if rig.health(rig.nodes)["n0"].crashes:  # of what the hit before has left
            pytest.fail(f"the program died: {report}")
        pid = program_pid(rig)
        until(lambda pid=pid: tracer_of(pid) == 0, "the agent to leave the program")  # type: ignore[misc]
        assert report.verified and report.bit == bit
        assert byte_at(pid, target, bit // 8, report.space // 8) == report.after[0]
        rig.load(rig.nodes[0])


def test_a_changed_program_counter_is_a_crash(make_rig: MakeRig) -> None:
    rig = make_rig("c")
    hello = rig.nodes[0].hello
    assert hello is not None
    bit = (hello.gpr_count - 1) * hello.pointer_bits + 45
    golden = golden_run("exec:c", SEED)
    golden.step()
    rig.arm(rig.nodes[0], Arm(1, 0, "gpr", "bit", tick=0, bit=bit, exact=True))
    result = one(rig, 0, golden.input)
    assert (result.status, result.signal) == (CRASHED, signal.SIGSEGV)
    assert report_of(rig, rig.nodes[0], 1).verified
    rig.restart(rig.nodes[0])
    assert is_golden(one(rig, 0, golden.input), golden)


def test_damaged_machine_code_is_gone_with_the_process(make_rig: MakeRig) -> None:
    """The file is not what is hit."""
    rig = make_rig("c")
    golden = golden_run("exec:c", SEED)
    golden.step()
    for number in range(40):
        arm = Arm(number, 0, "text", "random_word", tick=0, bit=64 * 8 * number, width=64)
        rig.arm(rig.nodes[0], arm)
    one(rig, 0, golden.input)
    assert report_of(rig, rig.nodes[0], 39).verified
    rig.load(rig.nodes[0])
    assert is_golden(one(rig, 0, golden.input), golden)


@pytest.mark.parametrize("target", mostly_slow(INSIDE, keep=1))
def test_a_program_is_hit_while_it_computes(make_rig: MakeRig, target: str) -> None:
    # for so long that the agent gets a processor meanwhile
    rig = make_rig("bad", bad=python(HOSTILE, "work", "0", "0.5"), budget_us=5_000_000)
    report = hit(rig, target, us=10_000, bit=77)
    assert (report.state, report.verified) == ("injected", True)
    assert report.at_us <= 2_000_000  # without the time that it waited for a processor


def test_a_stuck_cell_of_a_program_keeps_its_value(make_rig: MakeRig) -> None:
    rig = make_rig("c")
    golden = golden_run("exec:c", SEED)
    arm = Arm(1, 0, "stack", "stuck", tick=0, bit=8 * 3, value=1, hold_frames=3)
    assert rig.arm(rig.nodes[0], arm) is None
    for frame in range(6):
        golden.step()
        assert one(rig, frame, golden.input).status in (DONE, CRASHED, HUNG)
    assert report_of(rig, rig.nodes[0], 1).state == "injected"
    rig.load(rig.nodes[0])
    assert tracer_of(program_pid(rig)) == 0


@pytest.mark.parametrize("target", ["stack", "heap", "text", "gpr"])
def test_an_exact_position_past_the_end_is_not_hit(make_rig: MakeRig, target: str) -> None:
    rig = make_rig("c")
    report = hit(rig, target, tick=0, bit=2**40, exact=True)
    assert (report.state, report.detail) == ("failed", -1)
    assert 0 < report.space < 2**40


def test_hits_pile_nothing_up_in_the_agent(make_rig: MakeRig) -> None:
    rig = make_rig("c")
    descriptors = Path(f"/proc/{agent_pid(rig)}/fd")
    golden = golden_run("exec:c", SEED)
    golden.step()
    one(rig, 0, golden.input)
    before = len(list(descriptors.iterdir()))
    for frame in range(1, 60):
        golden.step()
        rig.arm(rig.nodes[0], Arm(frame, frame, "heap", "bit", tick=0, bit=2**35 + frame))
        if one(rig, frame, golden.input).status != DONE:
            rig.load(rig.nodes[0])
            break
    assert len(list(descriptors.iterdir())) == before


def test_a_frozen_program_can_still_be_hit_and_stays_frozen(make_rig: MakeRig) -> None:
    rig = make_rig("c", budget_us=300_000)
    golden = golden_run("exec:c", SEED)
    golden.step()
    rig.arm(rig.nodes[0], Arm(1, 0, "cpu", "hang", tick=0))
    rig.arm(rig.nodes[0], Arm(2, 0, "heap", "bit", tick=0, bit=5))
    assert one(rig, 0, golden.input).status == HUNG
    assert report_of(rig, rig.nodes[0], 1).verified
    assert report_of(rig, rig.nodes[0], 2).verified


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_survives_hits_of_all_parts_of_its_programs(tmp_path: Path, allow: object) -> None:
    scenario = Scenario.model_validate(
        {
            "workload": "exec",
            "exec": {"program": "c"},
            "seed": 7,
            "frames": 400,
            "rig": {"scheme": "tmr", "board": "process"},
            "timeouts": {"cpu_floor_ms": 300},
            "upsets": {
                "rates": [{"targets": INSIDE, "per_s": 15.0, "nodes": ["b"]}],
                "one_at_a_time": True,
            },
            "expect": {"sdc_escaped": 0, "unexplained": 0, "upsets.injected": ">= 20"},
        }
    )
    folder = tmp_path / "run"
    folder.mkdir()
    result = Loop(scenario, folder).run()
    assert result.outcome == "pass", result


@pytest.fixture
def held_filter(tmp_path: Path) -> Path:
    """The example, which in frame 1 cannot stop for more than a second: it waits for a child that
    it has begun with vfork."""
    source = (EXAMPLES / "ab_filter.c").read_text()
    before = "      step(state, in + HEADER"
    assert source.count(before) == 1
    wait = "if (get(in + HEADER) == 1 && !vfork()) { sleep(1); usleep(200000); _exit(0); }\n"
    source = source.replace(before, wait + before).replace(
        "#include <stdint.h>", "#define _GNU_SOURCE\n#include <unistd.h>\n#include <stdint.h>"
    )
    (tmp_path / "held.c").write_text(source)
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    subprocess.run([compiler, "-O1", "-o", tmp_path / "held", tmp_path / "held.c"], check=True)
    return tmp_path / "held"


def test_a_program_that_does_not_stop_in_time_is_not_hit_and_continues(
    make_rig: MakeRig, held_filter: Path
) -> None:
    rig = make_rig("held", held=str(held_filter), budget_us=20_000_000)
    golden = golden_run("exec:c", SEED)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)
    golden.step()
    rig.arm(rig.nodes[0], Arm(1, 1, "gpr", "bit", us=100_000, bit=3))
    rig.arm(rig.nodes[0], Arm(2, 1, "heap", "bit", us=200_000, bit=3))
    assert is_golden(one(rig, 1, golden.input), golden)
    for number in (1, 2):
        report = report_of(rig, rig.nodes[0], number)
        assert (report.state, report.detail) == ("failed", -9)
    pid = program_pid(rig)
    until(lambda: tracer_of(pid) == 0, "the agent to leave the program")
    golden.step()
    rig.arm(rig.nodes[0], Arm(3, 2, "vector", "bit", tick=0, bit=3))
    assert one(rig, 2, golden.input).status == DONE
    assert report_of(rig, rig.nodes[0], 3).verified

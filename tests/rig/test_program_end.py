"""How a program of the user ended: exit code, signal and standard error, and the time to start."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.errors import NodeError, ProgramFailed, SetupError
from hil.rig.node import CRASHED, HUNG
from hil.rig.program import golden_run
from hil.rig.program_end import ask_end
from hil.rig.program_options import ProgramOptions
from hil.rig.program_words import last_line, words_of
from hil.rig.rig import Rig
from hil.scenario import Scenario
from hil.wire.encoding import program_request
from hil.wire.messages import Msg, ProgramEnd, ProgramExit, Refusal

from .contract import SEED, is_golden, one
from .exec_rig import HOSTILE, MakeRig, program_pid, python

pytestmark = pytest.mark.ptrace

SHOUTED = "".join(f"line {number:04}\n" for number in range(1000)).encode()


def end_of(rig: Rig) -> ProgramEnd:
    end = ask_end(rig.requests, rig.nodes[0])
    assert end is not None
    return end


def run_to_the_end(make_rig: MakeRig, kind: str, budget_us: int = 2_000_000) -> tuple[Rig, int]:
    """Let a program misbehave in frame 1; return the rig, and the status of that frame."""
    rig = make_rig("bad", budget_us=budget_us, bad=python(HOSTILE, kind, "1"))
    golden = golden_run("exec:c", SEED)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)
    golden.step()
    return rig, one(rig, 1, golden.input).status


@pytest.mark.parametrize(
    ("kind", "how", "code", "status"),
    [
        ("exit0", ProgramExit.EXITED, 0, CRASHED),
        ("exit3", ProgramExit.EXITED, 3, CRASHED),
        ("exit255", ProgramExit.EXITED, 255, CRASHED),
        ("segv", ProgramExit.SIGNALED, signal.SIGSEGV, CRASHED),
        ("crc", ProgramExit.VIOLATED, 0, CRASHED),
        ("close", ProgramExit.VIOLATED, 0, CRASHED),
        ("sleep", ProgramExit.SILENT, 0, HUNG),
    ],
)
def test_the_agent_says_how_a_program_ended(
    make_rig: MakeRig, kind: str, how: ProgramExit, code: int, status: int
) -> None:
    rig, came = run_to_the_end(make_rig, kind, 300_000 if status == HUNG else 2_000_000)
    end = end_of(rig)
    assert (came, end.ends, end.how, end.code) == (status, 1, how, code)
    rig.restart(rig.nodes[0])  # which ends nothing
    assert end_of(rig) == end


def test_the_last_4_kib_of_standard_error_are_kept(make_rig: MakeRig) -> None:
    rig, _ = run_to_the_end(make_rig, "shout")
    end = end_of(rig)
    assert (end.code, end.written, end.kept) == (3, len(SHOUTED), 4096)
    assert end.stderr == SHOUTED[-4096:]


def test_nothing_has_ended_at_first_and_an_order_is_no_end(make_rig: MakeRig) -> None:
    rig = make_rig("c")
    rig.restart(rig.nodes[0])
    rig.load(rig.nodes[0])
    end = end_of(rig)
    assert (end.ends, end.how, end.code, end.stderr) == (0, ProgramExit.NONE, 0, b"")
    assert end.init_ms == 10_000


def test_a_program_never_waits_for_its_own_messages(make_rig: MakeRig) -> None:
    rig = make_rig("bad", bad=python(HOSTILE, "noisy", "99"))
    golden = golden_run("exec:c", SEED)
    for frame in range(5):  # 200 kB in each
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
    os.kill(program_pid(rig), signal.SIGKILL)
    golden.step()
    assert one(rig, 5, golden.input).status == CRASHED
    assert end_of(rig).written == 5 * 20_000 * len("line 0000\n") + 5 * 10_000


@pytest.mark.parametrize("offset", [1, 4096, 65535])
def test_more_than_is_kept_is_refused(make_rig: MakeRig, offset: int) -> None:
    rig = make_rig("c")
    call = rig.requests.send(rig.nodes[0], Msg.PROGRAM, program_request(0, offset))
    assert isinstance(call.result, Refusal) and call.result.status == -1


@pytest.mark.parametrize("init_ms", [1, 99, 600_001, 2**32 - 1])
def test_a_time_to_start_out_of_range_is_refused(make_rig: MakeRig, init_ms: int) -> None:
    rig = make_rig("c")
    call = rig.requests.send(rig.nodes[0], Msg.PROGRAM, program_request(init_ms, 0))
    assert isinstance(call.result, Refusal) and call.result.status == -1
    assert end_of(rig).init_ms == 10_000


# --- the time to start ----------------------------------------------------------------------------


def load_late(make_rig: MakeRig, late_s: float, init_us: int) -> Rig:
    rig = make_rig("c", late=python(HOSTILE, "late", "99", str(late_s)))
    rig.setup.workload = "exec:late"
    rig.setup.program = ProgramOptions(init_us=init_us)
    rig.load(rig.nodes[0])
    return rig


def test_a_program_that_is_ready_in_time_starts(make_rig: MakeRig) -> None:
    computes_a_frame(load_late(make_rig, 0.5, 20_000_000))


def computes_a_frame(rig: Rig) -> None:
    golden = golden_run("exec:c", SEED)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)


def test_a_program_that_needs_longer_than_its_time_is_ended(make_rig: MakeRig) -> None:
    with pytest.raises(ProgramFailed, match=r"did not answer in time.*errno 110"):
        load_late(make_rig, 1000, 300_000)


@pytest.mark.slow
def test_a_program_may_need_longer_than_the_usual_time(make_rig: MakeRig) -> None:
    computes_a_frame(load_late(make_rig, 12, 30_000_000))


def test_a_program_that_does_not_start_says_why(make_rig: MakeRig) -> None:
    rig = make_rig("c", bad=python(HOSTILE, "refuse", "0"))
    rig.setup.workload = "exec:bad"
    with pytest.raises(ProgramFailed) as caught:
        rig.load(rig.nodes[0])
    assert "it exited with code 4 (no engine: /opt/e.plan)" in caught.value.message
    assert "\n    looking for the engine\n    no engine: /opt/e.plan\n" in str(caught.value)


def test_a_program_that_is_not_there_says_so(make_rig: MakeRig) -> None:
    rig = make_rig("c", bad="/no/such/program")
    rig.setup.workload = "exec:bad"
    with pytest.raises(NodeError, match=r"cannot execute /no/such/program: No such file"):
        rig.load(rig.nodes[0])


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("refuse", "it exited with code 4; its standard error ends with: no engine"),
        ("exit3", "it exited with code 3"),
        ("segv", "it died of SIGSEGV"),
        ("shout", "it exited with code 3; its standard error ends with: line 0999"),
    ],
)
def test_the_end_of_a_reference_is_told_as_well(
    allow: Callable[..., None], kind: str, why: str
) -> None:
    allow(bad=python(HOSTILE, kind, "0"))
    with pytest.raises(SetupError, match=why):
        golden_run("exec:bad", SEED).step()


def test_the_time_to_start_is_that_of_the_reference_too(allow: Callable[..., None]) -> None:
    allow(bad=python(HOSTILE, "late", "0", "1000"))
    with pytest.raises(SetupError, match=r"did not answer within 0\.3 s"):
        golden_run("exec:bad", SEED, ProgramOptions(init_us=300_000))


# --- in words, and in a run -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"first\nlast\n\n", "last"),
        (b"\xff\x1b[2J", "\ufffd\\x1b[2J"),
        (b"x" * 500, "x" * 197 + "..."),
    ],
)
def test_the_last_line_of_standard_error(stderr: bytes, line: str) -> None:
    assert last_line(stderr) == line


def test_an_end_in_words() -> None:
    def words(how: ProgramExit, code: int = 0) -> str:
        return words_of(ProgramEnd(0, 1, how, code, 0, 0, 0, b""))

    assert words(ProgramExit.EXITED, 7) == "exited with code 7"
    assert words(ProgramExit.SIGNALED, 11) == "died of SIGSEGV"
    assert words(ProgramExit.SIGNALED, 200) == "died of signal 200"


@pytest.mark.timeout(180)
def test_a_run_records_why_a_program_ended(tmp_path: Path, allow: Callable[..., None]) -> None:
    allow(bad=python(HOSTILE, "once", "20", tmp_path / "marker"))
    scenario = Scenario.model_validate(
        {
            "workload": "exec",
            "exec": {"program": "bad"},
            "frames": 60,
            "rig": {"scheme": "tmr", "board": "process"},
            "timeouts": {"calibration_frames": 4},
            "expect": {"sdc_escaped": 0, "unexplained": 1, "availability": 1},
        }
    )
    folder = tmp_path / "run"
    folder.mkdir()
    result = Loop(scenario, folder).run()
    assert result.outcome == "pass", result
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as record:
        ((frame, node, reason),) = record.execute("SELECT frame, node, reason FROM anomalies")
        events = [row[0] for row in record.execute("SELECT reason FROM link_events")]
    assert (frame, reason) == (20, "the program `bad` exited with code 3: \\x1b[31mout of memory")
    (noted,) = [event for event in events if event.startswith("program `bad`")]
    assert "exited with code 3" in noted and "engine lost" in noted
    log = (folder / "console" / f"{node}.log").read_text()
    assert " program engine lost" in log and "\\x1b[31mout of memory" in log

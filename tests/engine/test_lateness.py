"""Whose fault a late answer is: the board's, or that of the computer that runs everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hil.clock import HOST
from hil.engine.lateness import Lateness
from hil.engine.loop import Loop, RunSetup
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.redundancy.recovery import IT_WAS_LATE, THE_HOST_WAS_BUSY, NodeState
from hil.redundancy.voting import DELIVERED, FAIL_SILENT
from hil.rig.backends.process import find_agent
from hil.rig.node import ABSENT, DONE, SILENT, Node, NodeResult
from hil.rig.processor_use import Pressure, ProcessorUse
from hil.scenario import Scenario
from hil.verification.replay import verify
from tests.between_frames import between_frames
from tests.virtual_clock import JumpingClock, VirtualClock

FRAME_US = 10_000
NEEDS_US = 2 * 1_000
LATE = NodeResult(SILENT, reason="no answer", late=True)
OUT_OF_STEP = NodeResult(ABSENT, out_of_step=True)
FINE = NodeResult(DONE)


class Use(ProcessorUse):
    """A process that was given so much time, as the test says."""

    def __init__(self) -> None:
        super().__init__(0)
        self.us: int | None = 0
        self.stopped = False

    def used_us(self) -> int | None:
        return self.us

    def is_stopped(self) -> bool:
        return self.stopped


class Board:
    """As much of a board as is looked at here: `processor_use`, of a process of this computer."""

    def __init__(self, use: Use | None) -> None:
        self.processor_use = use


class Bench:
    """Nodes whose frames the test tells."""

    def __init__(self, tmp_path: Path, *, processes: bool, names: str = "abc") -> None:
        self.clock = VirtualClock()
        self.file = tmp_path / "cpu"
        self.waited_us = 0
        self.press(0)
        self.uses = {name: Use() if processes else None for name in names}
        boards: list[Any] = [Board(self.uses[name]) for name in names]
        self.nodes = [Node(n, i, b) for i, (n, b) in enumerate(zip(names, boards, strict=True))]
        self.lateness = Lateness(self.clock, Pressure(self.clock, str(self.file)))
        self.lateness.calibrated(NEEDS_US // 2)

    def press(self, waited_us: int) -> None:
        self.waited_us += waited_us
        self.file.write_text(f"some avg10=0.00 total={self.waited_us}\nfull avg10=0.00 total=0\n")

    def frame(self, missed: str = "", **keys: Any) -> str:
        """One frame; the names of those that the host missed."""
        results = self.results(missed, **keys)
        return "".join(name for name, result in results.items() if result.host)

    def results(
        self,
        missed: str = "",
        *,
        out: str = "",
        used: int = 0,
        kept: int = 0,
        pressed: int = 0,
        stopped: str = "",
        dark: str = "",
    ) -> dict[str, NodeResult]:
        """One frame: who was missed, or out of step."""
        for name, use in self.uses.items():
            if use is not None:
                use.stopped = name in stopped
        self.lateness.begin(self.nodes)
        self.clock.advance(FRAME_US)
        self.press(pressed)
        for use in self.uses.values():
            if use is not None and use.us is not None:
                use.us += used
        results = {n: LATE if n in missed else FINE for n in self.uses}
        results |= dict.fromkeys(out, OUT_OF_STEP)
        own = self.lateness.own_times(self.nodes, FRAME_US, kept)
        self.lateness.judge(results, own, frozenset(dark))
        return results


@pytest.fixture
def boards(tmp_path: Path) -> Bench:
    return Bench(tmp_path, processes=False)


@pytest.fixture
def processes(tmp_path: Path) -> Bench:
    return Bench(tmp_path, processes=True)


def test_a_board_that_had_its_time_is_late_by_itself(boards: Bench) -> None:
    assert boards.frame("a") == ""
    assert boards.frame(out="a") == ""


def test_what_the_host_was_kept_from_looking_at_is_its_own_loss(boards: Bench) -> None:
    assert boards.frame("a", kept=FRAME_US - NEEDS_US + 1) == "a"
    assert boards.frame(out="a") == "a"
    assert boards.frame("a", kept=FRAME_US - NEEDS_US) == ""


def test_a_node_that_was_late_is_behind_until_it_answers_in_step(boards: Bench) -> None:
    assert not boards.results("a")["a"].behind
    for _ in range(3):
        result = boards.results(out="a")["a"]
        assert result.behind and not result.host and result.reason == "out of step, as it was late"
    assert boards.results() == {"a": FINE, "b": FINE, "c": FINE}
    assert not boards.results(out="a")["a"].behind, "it was not late before: something is wrong"


def test_a_node_that_was_late_by_the_host_is_behind_by_the_host(boards: Bench) -> None:
    boards.frame("a", kept=FRAME_US)
    result = boards.results(out="a")["a"]
    assert result.behind and result.host
    assert result.reason == "out of step, as this computer was busy"


def test_little_time_in_many_frames_is_enough_in_the_end(boards: Bench) -> None:
    said = [boards.frame("a", kept=FRAME_US - NEEDS_US // 4) for _ in range(5)]
    assert said == ["a", "a", "a", "", ""]
    assert boards.frame(out="a") == ""


def test_an_answer_ends_the_count(boards: Bench) -> None:
    for _ in range(10):
        assert boards.frame("a", kept=FRAME_US - NEEDS_US // 2) == "a"
        assert boards.frame() == ""


def test_all_boards_at_once_are_not_to_blame(boards: Bench) -> None:
    assert boards.frame("abc") == "abc"
    assert boards.frame("ac", out="b") == "abc"
    assert boards.frame(out="ac") == "ac"
    assert boards.frame("ab") == ""


def test_a_board_whose_power_was_cut_is_not_excused_by_a_busy_computer(boards: Bench) -> None:
    for _ in range(60):
        boards.frame(pressed=FRAME_US)
    assert boards.frame("ab", pressed=FRAME_US, kept=FRAME_US, dark="a") == "b"
    assert boards.frame("abc", dark="abc") == "", "the whole bench"
    assert boards.results("a", kept=FRAME_US, dark="a")["a"].late


def test_a_board_without_others_is_judged_by_its_time(tmp_path: Path) -> None:
    alone = Bench(tmp_path, processes=False, names="a")
    assert alone.frame("a") == ""


def test_on_a_busy_computer_a_line_is_served_late(boards: Bench) -> None:
    for _ in range(60):
        boards.frame(pressed=FRAME_US * 98 // 100)
    assert boards.frame("a", pressed=FRAME_US) == "a"
    assert boards.frame(out="a") == "a"


def test_pressure_of_some_seconds_ago_does_not_excuse_a_late_node(boards: Bench) -> None:
    for _ in range(60):
        boards.frame(pressed=FRAME_US)
    for _ in range(400):
        boards.frame()
    assert boards.frame("a") == ""


def test_without_pressure_information_no_late_node_is_excused(boards: Bench) -> None:
    boards.file.unlink()
    assert boards.frame("a") == ""
    boards.file.write_text("nonsense\n")
    assert boards.frame("a") == ""


def test_a_process_that_was_given_no_processor_is_not_to_blame(processes: Bench) -> None:
    for _ in range(20):
        assert processes.frame("a", used=NEEDS_US) == "a"
    assert processes.frame(out="a") == "a"


def test_a_process_that_computes_for_too_long_is(processes: Bench) -> None:
    assert processes.frame("a", used=2 * NEEDS_US) == ""
    assert processes.frame(out="a") == ""


def test_a_process_that_somebody_stopped_is_late_however_busy_the_computer_is(
    processes: Bench,
) -> None:
    for _ in range(60):
        processes.frame(pressed=FRAME_US)
    said = [processes.frame("ab", stopped="a", kept=FRAME_US) for _ in range(3)]
    assert said == ["b"] * 3
    assert processes.frame(out="ab") == "b"


def test_a_process_whose_time_is_not_known_is_judged_like_any_board(processes: Bench) -> None:
    for use in processes.uses.values():
        assert use is not None
        use.us = None
    assert processes.frame("a") == ""


def test_cpu_time_and_the_stopped_state_of_a_process_are_read_from_proc() -> None:
    use = ProcessorUse(os.getpid())
    before = use.used_us()
    if before is None:
        pytest.skip("this kernel does not count what threads use (CONFIG_SCHED_INFO)")
    sum(i * i for i in range(200_000))
    after = use.used_us()
    assert after is not None and after > before
    assert not use.is_stopped()
    use.close()


# --- whole runs ---------------------------------------------------------------------------------


def run(path: Path, clock: Any, stop: Any = lambda loop: None, **keys: Any) -> RunResult:
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 120,
            "pace": "realtime",
            "frame_ms": 5,
            "rig": {"scheme": "tmr", "board": "process"},
            **keys,
        }
    )
    loop = Loop(
        scenario, path, setup=RunSetup(clock=clock), **between_frames(lambda: bool(stop(loop)))
    )
    return loop.run()


def table(path: Path, sql: str) -> list[tuple[Any, ...]]:
    reader = Reader(path / "run.db")
    rows = [tuple(row) for row in reader.rows(sql)]
    reader.close()
    return rows


class Stalling(JumpingClock):
    """The host's clock; if `stall_us` is set, something keeps the host from looking for so long
    when it next waits for boards."""

    stall_us = 0

    def readable(self, fds: Sequence[int], timeout_us: float) -> list[int]:
        if self.stall_us:
            self.jump(int(max(0.0, timeout_us)) + self.stall_us)
            self.stall_us = 0
            return []
        return super().readable(fds, timeout_us)


def test_frames_in_which_the_host_did_not_look_are_slips_of_the_host(tmp_path: Path) -> None:
    clock = Stalling()

    def stop(loop: Loop) -> None:
        clock.stall_us = 50_000 if 30 <= loop.next_frame < 50 else 0

    result = run(tmp_path, clock, stop)
    assert result.unexplained == 0
    assert result.metrics["isolated"] == 0
    assert table(tmp_path, "SELECT * FROM anomalies") == []
    slips = table(tmp_path, "SELECT node, detail FROM slips WHERE frame BETWEEN 30 AND 49")
    assert slips, "the frames began late at least"
    assert {node for node, _ in slips} == {None}
    outcomes = table(tmp_path, "SELECT DISTINCT after FROM transitions")
    assert ("isolated",) not in outcomes and ("power_cycle",) not in outcomes


@pytest.mark.slow
def test_a_board_that_stands_still_for_a_while_is_late_and_does_not_hang(tmp_path: Path) -> None:
    def stop(loop: Loop) -> None:
        pid = loop.controls.rig.nodes[0].board.pid  # type: ignore[attr-defined]
        if loop.next_frame == 30:
            os.kill(pid, signal.SIGSTOP)
        if loop.next_frame == 90:
            os.kill(pid, signal.SIGCONT)

    result = run(tmp_path, JumpingClock(), stop)
    assert result.unexplained == 0 and table(tmp_path, "SELECT * FROM anomalies") == []
    assert table(tmp_path, "SELECT count(*) FROM slips WHERE node='a'")[0][0] > 10
    assert table(tmp_path, "SELECT count(*) FROM slips WHERE node IN ('b', 'c')") == [(0,)]
    assert table(tmp_path, "SELECT * FROM repairs WHERE node='a'") == []
    assert table(tmp_path, "SELECT * FROM transitions WHERE node='a'") == []


def serial_boards(stack: ExitStack, names: str) -> tuple[dict[str, Any], dict[str, int]]:
    """A rig of agents on ptys that are opened as the ports of real boards, and their processes."""
    nodes, pids = [], {}
    for name in names:
        words = [str(find_agent()), "--port", "pty", "--exit-with-parent"]
        process = stack.enter_context(
            subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        port = process.stdout.readline().split()[1]
        nodes.append({"name": name, "port": port})
        pids[name] = process.pid
    return {"scheme": "tmr", "board": "serial", "nodes": nodes}, pids


@pytest.mark.slow
def test_real_boards_that_stand_still_are_late_and_nothing_is_rolled_back(tmp_path: Path) -> None:
    """All of them, in turn and at once: none is ever damaged, and each has only to compute on."""
    plan = [(30, "a", signal.SIGSTOP), (33, "b", signal.SIGSTOP), (36, "c", signal.SIGSTOP)]
    plan += [(42, "c", signal.SIGCONT), (45, "a", signal.SIGCONT), (48, "b", signal.SIGCONT)]
    with ExitStack() as stack:
        rig, pids = serial_boards(stack, "abc")

        def stop(loop: Loop) -> None:
            while plan and plan[0][0] == loop.next_frame:
                _, name, number = plan.pop(0)
                os.kill(pids[name], number)

        result = run(tmp_path, JumpingClock(), stop, frame_ms=20, rig=rig)
    assert not plan and result.unexplained == 0
    assert table(tmp_path, "SELECT * FROM anomalies") == []
    assert table(tmp_path, "SELECT * FROM repairs") == []
    assert table(tmp_path, "SELECT * FROM transitions") == []
    assert result.metrics["rollbacks"] == 0 and result.metrics["sdc_frames"] == 0
    last = table(tmp_path, "SELECT max(frame) FROM frames WHERE verdict <> 'unanimous'")
    assert 40 < last[0][0] < 110, "all three vote again"


@pytest.mark.slow
def test_real_boards_on_a_busy_computer_are_late_and_nothing_else(tmp_path: Path) -> None:
    """Eight programs compute without end on the processor of the host and of its boards, and stand
    still in turns: what the kernel says of the pressure lags behind. The boards have a low
    priority, so that any fair scheduler keeps them waiting for longer than a frame."""
    with ExitStack() as stack:
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cpus)})
        stack.callback(os.sched_setaffinity, 0, cpus)
        rig, pids = serial_boards(stack, "abc")
        for pid in pids.values():
            os.setpriority(os.PRIO_PROCESS, pid, 15)
        hogs = []
        for _ in range(8):
            words = [sys.executable, "-c", "while True: pass"]
            hogs.append(stack.enter_context(subprocess.Popen(words)))
            stack.callback(hogs[-1].kill)

        def stop(loop: Loop) -> None:
            if loop.next_frame % 40 == 0:
                number = signal.SIGSTOP if loop.next_frame % 80 else signal.SIGCONT
                for hog in hogs:
                    hog.send_signal(number)

        result = run(tmp_path, HOST, stop, frame_ms=20, frames=240, rig=rig)
    assert result.unexplained == 0 and table(tmp_path, "SELECT * FROM anomalies") == []
    assert result.metrics["isolated"] == 0 and result.metrics["sdc_frames"] == 0
    assert table(tmp_path, "SELECT count(*) FROM slips")[0][0] > 20, "they were kept waiting"
    attempts = "SELECT DISTINCT action FROM repairs WHERE action NOT IN ('resync', 'rollback')"
    assert table(tmp_path, attempts) == []


class PatientClock(JumpingClock):
    """The host's clock, until `take_over`: then a time that passes only when the host waits for
    nobody but the boards at the links `still`. No load of this computer makes a board late."""

    def __init__(self) -> None:
        super().__init__()
        self.still: set[int] = set()
        self._own_us: int | None = None

    def take_over(self) -> None:
        self._own_us = self.now_us()

    def go_back(self) -> None:
        own_us, self._own_us = self.now_us(), None
        self.jump(own_us - self.now_us())

    def now_us(self) -> int:
        return super().now_us() if self._own_us is None else self._own_us

    def sleep_us(self, duration_us: float) -> None:
        if self._own_us is None:
            super().sleep_us(duration_us)
        else:
            self._own_us += max(0, round(duration_us))

    def readable(self, fds: Sequence[int], timeout_us: float) -> list[int]:
        if self._own_us is None:
            return super().readable(fds, timeout_us)
        others = [fd for fd in fds if fd not in self.still]
        ready = HOST.readable(others or fds, 10_000_000 if others and timeout_us > 0 else 0)
        if not ready:
            self.sleep_us(timeout_us)
        return ready


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "wrong"), [({}, 0), ({"unvoted_output": "deliver"}, 1)])
def test_while_two_boards_are_late_the_output_of_the_third_does_not_pass_unvoted(
    tmp_path: Path, rule: dict[str, str], wrong: int
) -> None:
    """It is hit just then. The other two are still in service: of three nodes that were asked one
    answers, and that answer is wrong."""
    clock = PatientClock()

    def stop(loop: Loop) -> None:
        frame, late = loop.next_frame, loop.controls.rig.nodes[1:]
        if frame == 0:
            clock.take_over()
        if frame == 60:
            clock.go_back()
        if frame == 30:
            clock.still = {n.link.transport.fd for n in late if n.link.transport}  # type: ignore[misc]
        if frame == 33:
            clock.still = set()
        if frame in (30, 33):
            for node in late:
                number = signal.SIGSTOP if frame == 30 else signal.SIGCONT
                os.kill(node.board.pid, number)  # type: ignore[attr-defined]

    hit = {"frame": 31, "node": "a", "target": "output", "bit": 3, "tick": 6}
    rig = {"scheme": "tmr", "board": "process", **rule}
    run(tmp_path, clock, stop, rig=rig, upsets={"events": [hit]}, expect={"sdc_frames": ">= 0"})
    meanwhile = "FROM frames WHERE frame BETWEEN 30 AND 32 ORDER BY frame"
    assert table(tmp_path, f"SELECT frame, verdict, voters, agree {meanwhile}") == [
        (frame, "simplex", 0b111, 0b001) for frame in (30, 31, 32)
    ]
    flags = [row[0] for row in table(tmp_path, f"SELECT flags {meanwhile}")]
    assert [bool(f & DELIVERED) for f in flags] == [bool(rule)] * 3
    assert [bool(f & FAIL_SILENT) for f in flags] == [not rule] * 3
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["metrics"]["sdc_frames"] == wrong
    assert manifest["metrics"]["unresolved"] >= 3 * (not rule)
    assert manifest["metrics"]["by_system_outcome.sdc_escaped"] == wrong
    reader = Reader(tmp_path)
    assert verify(reader).differences == []
    reader.close()


@pytest.mark.slow
def test_a_board_that_has_missed_very_many_frames_is_given_the_state_of_the_others(
    tmp_path: Path,
) -> None:
    plan = [(20, signal.SIGSTOP), (100, signal.SIGCONT)]
    with ExitStack() as stack:
        rig, pids = serial_boards(stack, "abc")

        def stop(loop: Loop) -> None:
            while plan and plan[0][0] == loop.next_frame:
                os.kill(pids["a"], plan.pop(0)[1])

        result = run(tmp_path, JumpingClock(), stop, frame_ms=5, frames=600, rig=rig)
    assert not plan and result.unexplained == 0
    # Where this computer was busy, too, the slips are the host's, and so is the cause.
    causes = table(tmp_path, "SELECT cause FROM repairs WHERE node='a' AND action='resync' AND ok")
    assert causes and causes[0][0] in (IT_WAS_LATE, THE_HOST_WAS_BUSY)
    of_a = "node='a' OR detail LIKE 'node a:%'"
    assert table(tmp_path, f"SELECT count(*) FROM slips WHERE {of_a}")[0][0] > 10


@pytest.mark.slow
def test_the_silence_of_a_board_that_was_out_is_forgotten(tmp_path: Path) -> None:
    """Another board is silent when it is back, so that no frame heard everybody."""
    first: dict[str, int] = {}
    back: list[int] = []

    def stop(loop: Loop) -> None:
        frame = loop.next_frame
        pids = {n.name: int(n.board.pid) for n in loop.controls.rig.nodes}  # type: ignore[attr-defined]
        for name, begin in (("a", 30), ("d", 45)):
            if frame == begin and name not in first:
                first[name] = pids[name]
                os.kill(pids[name], signal.SIGSTOP)
        if not back and loop.controls.recovery.state("a") is NodeState.REINTEGRATING:
            back.append(frame)
            os.kill(pids["a"], signal.SIGSTOP)
        if back and frame == back[0] + 3:
            os.kill(pids["a"], signal.SIGCONT)

    rig = {"scheme": "5mr", "board": "process"}
    timeouts = {"lost_after_ms": 400, "retry_ms": 50}
    run(tmp_path, JumpingClock(), stop, frame_ms=20, rig=rig, timeouts=timeouts)
    meanwhile = f"frame BETWEEN {back[0]} AND {back[0] + 2}"
    # Where this computer was busy, too, the slip is the host's, and names the node in its text.
    of_d = "(node='d' OR detail LIKE 'node d:%')"
    assert len(table(tmp_path, f"SELECT frame FROM slips WHERE {of_d} AND {meanwhile}")) == 3
    hangs = table(tmp_path, "SELECT node FROM anomalies WHERE effect='hang' ORDER BY frame")
    assert hangs == [("a",), ("d",)]
    assert table(tmp_path, "SELECT frame FROM transitions WHERE after='isolated'") == []

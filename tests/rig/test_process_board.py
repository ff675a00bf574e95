"""What only process boards can do, and must survive: registers, stack, heap, text, signals."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import random
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.kernel import WIRE_VERSION, Golden, workload
from hil.rig.agent_setup import Budget
from hil.rig.backends.process import ProcessBoard, find_agent
from hil.rig.calls import Call, Timing
from hil.rig.exchange import run_calls
from hil.rig.link import Link
from hil.rig.node import ABSENT, CRASHED, DONE, HUNG, SILENT, Node, NodeResult
from hil.rig.resync import read_state
from hil.rig.rig import Rig
from hil.rig.transport import TransportLost
from hil.wire import decoding, messages
from hil.wire.encoding import step_request
from hil.wire.messages import Arm, Msg, Report
from tests.hearing import hear_signals

from .contract import SEED, TIMING, is_golden, one, report_of

pytestmark = pytest.mark.ptrace

DEADLINE_S = 20.0
INVALID = {"x86_64": (8, 0x06), "aarch64": (32, 0)}  # width, an instruction that does not exist
SYSCALL = {"x86_64": (16, 0x050F), "aarch64": (32, 0xD4000001)}


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        os.sched_yield()


def state_of(pid: int) -> str:
    """The process state letter of /proc, "" for none; a zombie is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    letter = stat.rpartition(")")[2].split()[0]
    return "" if letter in "ZX" else letter


def gone(pid: int) -> bool:
    return state_of(pid) == ""


def children(pid: int) -> list[int]:
    """Living children of a process."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        stat = process / "stat"
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] not in "ZX":
                found.append(int(stat.parent.name))
    return found


def board_of(rig: Rig, index: int = 0) -> ProcessBoard:
    board = rig.nodes[index].board
    assert isinstance(board, ProcessBoard)
    return board


def agent_pid(rig: Rig) -> int:
    pid = board_of(rig).pid
    assert pid is not None
    return pid


def worker_pid(rig: Rig) -> int:
    (pid,) = children(agent_pid(rig))
    return pid


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(name: str, cpu_us: int = 20_000, timing: Timing = TIMING) -> Rig:
        rig = Rig([Node("n0", 0, ProcessBoard("n0"))], name, SEED, timing)
        made.append(rig)
        rig.setup.budget = Budget(cpu_us, 4 * workload(name).ticks + 64)
        rig.open()
        rig.load(rig.nodes[0])
        return rig

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def hogs() -> Iterator[None]:
    """The machine has other things to do."""
    running = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range((os.cpu_count() or 1) + 1)
    ]
    yield
    for process in running:
        process.kill()
        process.wait()


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One upset in frame 0 of a fresh workload, and what came of it."""

    arm: Arm
    result: NodeResult
    report: Report


def experiment(rig: Rig, golden: Golden, arm: Arm) -> Experiment:
    node = rig.nodes[0]
    rig.load(node)
    assert rig.arm(node, arm) is None
    result = one(rig, 0, golden.input_of(0))
    report = report_of(rig, node, arm.id)
    # Nothing here is the machine's: not the time, not the load.
    return Experiment(
        arm, result._replace(cpu_us=0, step_us=0), dataclasses.replace(report, at_us=0)
    )


def random_experiments(rng: random.Random, count: int, ticks: int, steps: int) -> list[Arm]:
    targets = ("gpr", "gpr", "vector", "stack", "heap", "text", "text", "state")
    return [
        Arm(
            id=i + 1,
            frame=0,
            target=rng.choice(targets),
            kind="bit",
            tick=rng.randrange(ticks),
            steps=rng.randrange(steps),
            bit=rng.getrandbits(63),
        )
        for i in range(count)
    ]


# --- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["gpr", "vector", "stack", "heap", "text"])
def test_an_upset_changes_what_was_planned(make_rig: Callable[..., Rig], target: str) -> None:
    rig = make_rig("sha256")
    node = rig.nodes[0]
    assert node.hello is not None and target in node.hello.targets
    golden = Golden("sha256", SEED)
    w = golden.workload
    sizes = {
        "gpr": 64 * node.hello.gpr_count,
        "vector": 8 * node.hello.vector_bytes,
        "heap": 8 * w.scratch_len,
        "text": 8 * w.text_len,
    }
    rng = random.Random(target)
    patterns = [("bit", 1), ("adjacent", 5), ("zero_word", 32), ("random_word", 64)]
    for i in range(60):
        kind, width = patterns[i % 4]
        bit, value = rng.getrandbits(62), rng.getrandbits(64)
        arm = Arm(
            i,
            0,
            target,
            kind,
            tick=rng.randrange(16),
            steps=rng.choice((0, 0, 5, 150)),
            width=width,
            bit=bit,
            value=value,
        )
        report = experiment(rig, golden, arm).report
        assert (report.state, report.verified) == ("injected", True), report
        assert (report.tick, report.steps) == (arm.tick, arm.steps)
        assert report.space == sizes.get(target, report.space) > 0
        assert report.bit == bit % report.space
        before = int.from_bytes(report.before, "little")
        after = int.from_bytes(report.after, "little")
        if kind == "bit":
            assert before ^ after == 1 << report.bit % 8
        elif kind == "adjacent":
            assert (before ^ after).bit_count() == 5
        else:
            assert after == (0 if kind == "zero_word" else value)
        assert report.changed == (before != after)
    rig.load(node)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)


@pytest.mark.slow
def test_the_reported_instruction_position_is_the_real_one(make_rig: Callable[..., Rig]) -> None:
    """An invalid instruction put where the position is told to be is the next to be run."""
    rig = make_rig("sha256")
    node = rig.nodes[0]
    assert node.hello is not None
    width, value = INVALID[node.hello.arch]
    golden = Golden("sha256", SEED)
    rng = random.Random(3)
    inside = crashed = 0
    for _ in range(60):
        tick, steps = rng.randrange(16), rng.randrange(8, 400)
        probe = Arm(1, 0, "vector", "bit", tick=tick, steps=steps, bit=2047)
        at = experiment(rig, golden, probe).report.pc_offset
        if at is None:
            continue
        inside += 1
        assert 0 <= at < golden.workload.text_len
        trap = Arm(
            2,
            0,
            "text",
            "random_word",
            tick=tick,
            steps=steps,
            width=width,
            bit=8 * at,
            value=value,
        )
        trapped = experiment(rig, golden, trap)
        assert trapped.report.pc_offset == at
        assert trapped.result.status == CRASHED
        crashed += trapped.result.signal == signal.SIGILL
    assert inside > 40
    assert crashed == inside


@pytest.mark.slow
def test_counting_instructions_does_not_use_up_the_budget(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256", cpu_us=10_000)
    golden = Golden("sha256", SEED)
    arm = Arm(1, 0, "heap", "zero_word", tick=0, steps=30_000, width=8)
    done = experiment(rig, golden, arm)
    assert (done.report.state, done.report.steps) == ("injected", 30_000)
    assert done.result.status == DONE


def test_two_positions_behind_one_tick_are_each_as_if_alone(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256")
    node = rig.nodes[0]
    golden = Golden("sha256", SEED)
    alone = {}
    for steps in (40, 90):
        arm = Arm(steps, 0, "heap", "bit", tick=3, steps=steps, bit=7)
        alone[steps] = experiment(rig, golden, arm).report.pc_offset
    assert alone[40] != alone[90]
    rig.load(node)
    for steps in (90, 40):
        assert rig.arm(node, Arm(steps, 0, "heap", "bit", tick=3, steps=steps, bit=9)) is None
    one(rig, 0, golden.input_of(0))
    for steps in (90, 40):
        report = report_of(rig, node, steps)
        assert (report.pc_offset, report.steps, report.tick) == (alone[steps], steps, 3)


def test_a_text_flip_stays_until_restart(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256")
    node = rig.nodes[0]
    golden = Golden("sha256", SEED)
    bit = 8 * (golden.workload.text_len - 1)  # padding, or the end of something
    arm = Arm(1, 0, "text", "bit", tick=0, bit=bit)
    first = experiment(rig, golden, arm)
    assert first.result.status == DONE
    second = Arm(2, 1, "text", "bit", tick=0, bit=bit)
    assert rig.arm(node, second) is None
    assert one(rig, 1, golden.input_of(1)).status == DONE
    assert report_of(rig, node, 2).before == first.report.after
    assert rig.arm(node, dataclasses.replace(second, id=3, frame=2)) is None
    assert one(rig, 2, golden.input_of(2)).status == DONE
    assert report_of(rig, node, 3).after == first.report.after
    rig.restart(node)
    assert rig.arm(node, dataclasses.replace(second, id=4, frame=3)) is None
    assert one(rig, 3, golden.input_of(3)).status == DONE
    assert report_of(rig, node, 4).before == first.report.before


def test_a_stuck_text_bit_is_stuck_in_the_next_worker_too(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256")
    node = rig.nodes[0]
    golden = Golden("sha256", SEED)
    bit = 8 * (golden.workload.text_len - 1)
    probe = experiment(rig, golden, Arm(1, 0, "text", "bit", bit=bit)).report
    value = 1 - (probe.before[0] & 1)
    experiment(rig, golden, Arm(2, 0, "text", "stuck", bit=bit, value=value))
    rig.restart(node)
    assert rig.arm(node, Arm(3, 1, "text", "bit", tick=2, bit=bit)) is None
    one(rig, 1, golden.input_of(1))
    report = report_of(rig, node, 3)
    assert report.before[0] & 1 == value


def test_registers_cannot_be_stuck(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256")
    for target in ("gpr", "vector"):
        refused = rig.arm(rig.nodes[0], Arm(1, 0, target, "stuck", bit=3))
        assert refused == "argument out of range"


@pytest.mark.slow
def test_upsets_kill_corrupt_and_vanish_and_the_agent_outlives_them(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig("sha256")
    golden = Golden("sha256", SEED)
    golden.step()
    pid = agent_pid(rig)
    effects: Counter[str] = Counter()
    signals: Counter[int] = Counter()
    for arm in random_experiments(random.Random(SEED), 200, 16, 600):
        done = experiment(rig, golden, arm)
        if done.report.state != "injected":
            effects[done.report.state] += 1
        elif done.result.status == CRASHED:
            effects["crash"] += 1
            signals[done.result.signal] += 1
        elif done.result.status == HUNG:
            effects["hang"] += 1
        elif done.result.output_digest != golden.output_digest:
            effects["sdc"] += 1
        else:
            effects["masked"] += 1
    assert min(effects["crash"], effects["sdc"], effects["masked"]) > 10, effects
    assert effects["missed"] < 30 and not effects["failed"], effects
    assert signals[signal.SIGSEGV] > 2, signals
    assert set(signals) <= {4, 5, 7, 8, 11, 31}, signals
    assert agent_pid(rig) == pid and board_of(rig).condition(disconnected=False) is None
    rig.load(rig.nodes[0])
    assert is_golden(one(rig, 0, golden.input), golden)


# --- determinism --------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_upsets_do_the_same_twice_also_beside_a_hog(
    make_rig: Callable[..., Rig], request: pytest.FixtureRequest
) -> None:
    golden = Golden("sha256", SEED)
    arms = random_experiments(random.Random("twice"), 300, 16, 400)
    first_rig, second_rig = make_rig("sha256"), make_rig("sha256")
    first = [experiment(first_rig, golden, arm) for arm in arms]
    request.getfixturevalue("hogs")
    second = [experiment(second_rig, golden, arm) for arm in arms]
    different = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    assert different == []


def test_no_fault_free_step_is_called_hung_on_a_loaded_machine(
    make_rig: Callable[..., Rig], hogs: None
) -> None:
    rig = make_rig("matmul", cpu_us=20_000)
    golden = Golden("matmul", SEED)
    for frame in range(100):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden), frame


def test_a_hang_is_found_on_a_loaded_machine(make_rig: Callable[..., Rig], hogs: None) -> None:
    rig = make_rig("sha256", cpu_us=30_000)
    golden = Golden("sha256", SEED)
    done = experiment(rig, golden, Arm(1, 0, "cpu", "hang", tick=4))
    assert done.result.status == HUNG
    assert done.report.verified


# --- wall-clock triggers ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_wall_clock_trigger_reports_its_position_or_that_it_missed(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig("matmul")
    golden = Golden("matmul", SEED)
    golden.step()
    rig.load(rig.nodes[0])
    typical_us = max(20, one(rig, 0, golden.input).cpu_us)
    states: Counter[str] = Counter()
    inside = 0
    rng = random.Random(5)
    i = -1
    # On a busy computer a moment of the clock is often one at which the worker waits its turn.
    while (i := i + 1) < 100 or (not inside and i < 2000):
        us = rng.randrange(typical_us) if i % 5 else 500_000  # long behind the end
        rig.load(rig.nodes[0])
        assert (
            rig.arm(rig.nodes[0], Arm(i, 0, "heap", "bit", us=us, bit=rng.getrandbits(60))) is None
        )
        result = one(rig, 0, golden.input)
        report = report_of(rig, rig.nodes[0], i)
        states[report.state] += 1
        if report.state == "injected":
            assert report.verified
            assert report.at_us <= result.cpu_us
            assert 0 <= report.tick <= golden.workload.ticks
            assert report.pc_offset is None or report.pc_offset < golden.workload.text_len
            inside += report.pc_offset is not None
        else:
            assert report.state == "missed"
            assert is_golden(result, golden)
    assert states["injected"] > 10, states
    assert states["missed"] > 5, states
    assert inside > 0


def test_a_wall_clock_trigger_does_not_shift_a_later_position(make_rig: Callable[..., Rig]) -> None:
    """An interrupt that came too late must not be taken for an instruction afterwards."""
    rig = make_rig("sha256")
    node = rig.nodes[0]
    golden = Golden("sha256", SEED)
    arm = Arm(1, 0, "heap", "bit", tick=3, steps=77, bit=5)
    alone = experiment(rig, golden, arm).report.pc_offset
    for i in range(60):
        rig.load(node)
        assert rig.arm(node, Arm(9, 0, "input", "bit", us=i, bit=0)) is None
        assert rig.arm(node, arm) is None
        one(rig, 0, golden.input_of(0))
        assert report_of(rig, node, 1).pc_offset == alone
        # and in the frame behind, where a stop that was asked for late may still come
        assert rig.arm(node, dataclasses.replace(arm, id=2, frame=1)) is None
        one(rig, 1, golden.input_of(1))
        assert report_of(rig, node, 2).pc_offset == alone


# --- signals, and ends --------------------------------------------------------------------------


def test_a_worker_that_was_killed_at_rest_is_reported_as_crashed(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig("sha256")
    golden = Golden("sha256", SEED)
    golden.step()
    worker = worker_pid(rig)
    os.kill(worker, signal.SIGKILL)
    until(lambda: gone(worker), "the worker's end")
    result = one(rig, 0, golden.input)
    assert (result.status, result.signal) == (CRASHED, signal.SIGKILL)
    rig.health(rig.nodes)
    assert one(rig, 0, golden.input).status == ABSENT
    rig.restart(rig.nodes[0])
    assert is_golden(one(rig, 0, golden.input), golden)


@pytest.mark.parametrize("name", ["SIGSTOP", "SIGCONT", "SIGTSTP", "SIGCHLD", "SIGWINCH"])
def test_stops_from_outside_do_not_disturb_a_step(make_rig: Callable[..., Rig], name: str) -> None:
    rig = make_rig("sha256")
    golden = Golden("sha256", SEED)
    for frame in range(5):
        os.kill(worker_pid(rig), signal.Signals[name])
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGPIPE", "SIGINT", "SIGUSR1"])
def test_a_deadly_signal_is_reported_by_its_number(make_rig: Callable[..., Rig], name: str) -> None:
    rig = make_rig("sha256")
    golden = Golden("sha256", SEED)
    golden.step()
    os.kill(worker_pid(rig), signal.Signals[name])
    result = one(rig, 0, golden.input)
    assert (result.status, result.signal) == (CRASHED, signal.Signals[name])
    rig.restart(rig.nodes[0])
    assert is_golden(one(rig, 0, golden.input), golden)


def begin_hung_step(rig: Rig, golden: Golden) -> tuple[Call, int]:
    """A step that runs for ever, under way; its call and its worker."""
    node = rig.nodes[0]
    assert rig.arm(node, Arm(1, 0, "cpu", "hang", tick=2)) is None
    call = Call(node.link, 0, Msg.STEP, step_request(0, golden.input_of(0)))
    call.begin()
    worker = worker_pid(rig)
    until(lambda: state_of(worker) == "R", "the worker to run")
    return call, worker


def outcome(rig: Rig, call: Call) -> messages.Reply:
    run_calls([call], rig.requests.timing)
    assert isinstance(call.result, bytes)
    return decoding.reply(call.result)


def test_a_running_worker_may_be_stopped_continued_and_killed(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256", cpu_us=300_000)
    golden = Golden("sha256", SEED)
    call, worker = begin_hung_step(rig, golden)
    for _ in range(10):
        os.kill(worker, signal.SIGSTOP)
        os.kill(worker, signal.SIGCONT)
        until(lambda: state_of(worker) in ("R", ""), "the worker to go on")
    assert outcome(rig, call).status == HUNG
    rig.load(rig.nodes[0])
    rig.setup.budget = Budget(60_000_000, 0)
    rig.load(rig.nodes[0])
    call, worker = begin_hung_step(rig, golden)
    os.kill(worker, signal.SIGKILL)
    reply = outcome(rig, call)
    assert (reply.status, reply.signal) == (CRASHED, signal.SIGKILL)
    rig.load(rig.nodes[0])
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)


def test_a_running_step_leaves_the_agent_able_to_talk(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256", cpu_us=60_000_000)
    golden = Golden("sha256", SEED)
    call, _ = begin_hung_step(rig, golden)
    health = rig.health(rig.nodes)["n0"]
    assert health.steps == 0
    rig.reset(rig.nodes[0])
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)
    assert call.result is None


def test_the_cpu_time_of_a_step_that_failed_is_reported(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256", cpu_us=30_000)
    golden = Golden("sha256", SEED)
    assert rig.arm(rig.nodes[0], Arm(1, 0, "cpu", "hang", tick=4)) is None
    assert one(rig, 0, golden.input_of(0)).cpu_us >= 30_000


def test_an_upset_before_the_step_has_used_no_time(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("matmul")
    golden = Golden("matmul", SEED)
    for frame in range(3):
        assert rig.arm(rig.nodes[0], Arm(frame, frame, "heap", "bit", tick=0, bit=3)) is None
        assert one(rig, frame, golden.input_of(frame)).status == DONE
        assert report_of(rig, rig.nodes[0], frame).at_us == 0


def test_an_agent_that_is_killed_takes_its_worker_along(make_rig: Callable[..., Rig]) -> None:
    for running in (False, True):
        rig = make_rig("sha256", cpu_us=60_000_000)
        golden = Golden("sha256", SEED)
        worker = begin_hung_step(rig, golden)[1] if running else worker_pid(rig)
        os.kill(agent_pid(rig), signal.SIGKILL)
        until(functools.partial(gone, worker), "the worker's end")
        result = one(rig, 1, golden.input_of(1))
        assert result.status == SILENT and result.disconnected
        ended = board_of(rig).condition(disconnected=True)
        assert ended == "agent process killed by SIGKILL"
        rig.power_cycle(rig.nodes[0])
        golden.step()
        assert is_golden(one(rig, 0, golden.input), golden)


HOST = """
    import os, signal, sys, threading
    from hil.rig.node import Node
    from hil.rig.backends.process import ProcessBoard
    from hil.rig.rig import Rig
    from hil.rig.calls import Timing

    rig = Rig([Node("n0", 0, ProcessBoard("n0"))], "sha256", 1, Timing())
    rig.open()
    rig.load(rig.nodes[0])
    print(rig.nodes[0].board.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("ending", ["kill", "exit"])
def test_agents_end_with_their_host(ending: str) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert host.stdin is not None and host.stdout is not None
    with host:
        agent = int(host.stdout.readline())
        (worker,) = children(agent)
        if ending == "kill":
            host.kill()
        host.stdin.close()
        host.wait(DEADLINE_S)
    until(lambda: gone(agent), "the agent's end")
    until(lambda: gone(worker), "the worker's end")


def test_a_board_outlives_the_thread_that_started_it(make_rig: Callable[..., Rig]) -> None:
    made: list[Rig] = []
    thread = threading.Thread(target=lambda: made.append(make_rig("sha256")))
    thread.start()
    thread.join()
    (rig,) = made
    golden = Golden("sha256", SEED)
    for frame in range(20):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)


def test_nothing_piles_up_over_restarts_and_resets(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("attitude")
    node = rig.nodes[0]
    descriptors = Path(f"/proc/{agent_pid(rig)}/fd")

    def open_now() -> list[str]:
        return sorted(str(fd.readlink()) for fd in descriptors.iterdir() if fd.is_symlink())

    golden = Golden("attitude", SEED)
    golden.step()
    before = [len(open_now()), len(children(agent_pid(rig)))]
    for _ in range(200):
        rig.restart(node)
    assert [len(open_now()), len(children(agent_pid(rig)))] == before
    for _ in range(20):
        rig.reset(node)
    assert is_golden(one(rig, 0, golden.input), golden)
    assert [len(open_now()), len(children(agent_pid(rig)))] == before
    assert Path(f"/proc/{agent_pid(rig)}/comm").read_text() == "hil-agent\n"


def test_a_worker_that_tries_a_system_call_dies_of_it(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig("sha256")
    assert rig.nodes[0].hello is not None
    width, value = SYSCALL[rig.nodes[0].hello.arch]
    golden = Golden("sha256", SEED)
    for steps in range(10, 200):
        probe = Arm(1, 0, "vector", "bit", tick=3, steps=steps, bit=2047)
        at = experiment(rig, golden, probe).report.pc_offset
        if at is not None and at % (width // 8) == 0:
            break
    else:
        pytest.fail("no aligned instruction was found")
    arm = Arm(
        2, 0, "text", "random_word", tick=3, steps=steps, width=width, bit=8 * at, value=value
    )
    done = experiment(rig, golden, arm)
    assert (done.result.status, done.result.signal) == (CRASHED, signal.SIGSYS)


# --- the executable -----------------------------------------------------------------------------


class Pipes:
    """hil-agent on standard input and output, as a transport."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [str(find_agent()), "--port", "-", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=hear_signals,  # noqa: PLW1509 (no thread here holds a lock)
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.fd: int | None = self.stdout.fileno()
        self.kind, self.name = "pipes", "n0"
        self.can_cycle = self.can_return = False

    def connect(self) -> Pipes:
        return self

    def condition(self, *, disconnected: bool) -> str | None:
        return None

    def power_off(self) -> None:
        self.close()

    power_cycle = shut_down = power_off

    def write(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def read(self) -> bytes:
        if not select.select([self.stdout], [], [], 0)[0]:
            return b""
        data = os.read(self.stdout.fileno(), 65536)
        if not data:
            raise TransportLost("ended")
        return data

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.stdin, self.stdout, self.process.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@pytest.fixture
def piped() -> Iterator[Callable[..., tuple[Rig, Pipes]]]:
    made: list[Pipes] = []

    def make(*arguments: str) -> tuple[Rig, Pipes]:
        pipes = Pipes(*arguments)
        made.append(pipes)
        rig = Rig([Node("n0", 0, pipes)], "sha256", SEED, TIMING)
        rig.open()
        rig.load(rig.nodes[0])
        return rig, pipes

    yield make
    for pipes in made:
        pipes.close()


def test_an_agent_on_pipes_ends_with_its_input(
    piped: Callable[..., tuple[Rig, Pipes]],
) -> None:
    rig, pipes = piped()
    golden = Golden("sha256", SEED)
    for frame in range(20):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
    assert read_state(rig, rig.nodes[0], golden.workload.state_len) == golden.state
    rig.reset(rig.nodes[0])
    (worker,) = children(pipes.process.pid)
    pipes.stdin.close()
    assert pipes.process.wait(DEADLINE_S) == 0
    until(lambda: gone(worker), "the worker's end")


def test_an_agent_ends_when_its_output_is_closed(piped: Callable[..., tuple[Rig, Pipes]]) -> None:
    _, pipes = piped()
    pipes.stdout.close()
    link = Link("n0", pipes)
    Call(link, 9, Msg.HEALTH).begin()
    assert pipes.process.wait(DEADLINE_S) == 0


def run_agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(find_agent()), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--port"],
        ["--bogus"],
        ["--port", "pty", "extra"],
        ["--port", "pty", "--baud", "12345"],
        ["--port", "pty", "--baud", "fast"],
        ["--port", "pty", "--baud", "-9600"],
        ["--port", "pty", "--baud", ""],
    ],
)
def test_bad_arguments_are_answered_with_the_usage(arguments: list[str]) -> None:
    done = run_agent(*arguments)
    assert done.returncode == 2
    assert "usage: hil-agent" in done.stderr
    assert done.stdout == ""


def test_help_and_version_exit_with_success() -> None:
    assert "usage: hil-agent" in run_agent("--help").stdout
    version = run_agent("--version")
    assert version.returncode == 0
    assert f"wire version {WIRE_VERSION}" in version.stdout


@pytest.mark.parametrize(
    ("port", "reason"),
    [("no-such-port", "No such file"), (".", "Is a directory"), ("/dev/null", "")],
)
def test_a_port_that_cannot_be_opened_is_named(tmp_path: Path, port: str, reason: str) -> None:
    path = str(tmp_path / port)
    done = run_agent("--port", path)
    assert done.returncode == 3
    assert f"cannot open port {path}" in done.stderr
    assert reason in done.stderr


# --- sensors ------------------------------------------------------------------------------------


def tree(root: Path, files: dict[str, str]) -> str:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return str(root)


def test_a_raspberry_pi_reports_its_health(
    tmp_path: Path, piped: Callable[..., tuple[Rig, Pipes]]
) -> None:
    root = tree(
        tmp_path,
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/device-tree/serial-number": "10000000abcdef01\0",
            "proc/meminfo": "MemTotal:        3884544 kB\nMemAvailable:    3145728 kB\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "48312\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        },
    )
    rig, _ = piped("--sys-root", root)
    hello = rig.nodes[0].hello
    assert hello is not None
    assert hello.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert hello.serial == "10000000abcdef01"
    assert hello.memory_mib == 3793
    health = rig.health(rig.nodes)["n0"]
    assert health.cpu_temp_mc == 48312
    assert health.clock_khz == 1_500_000
    assert health.throttled == 0x50005
    assert health.free_mib == 3072
    assert health.rss_kib is not None and health.rss_kib > 0
    assert health.rails == ()


def test_a_jetson_reports_its_health(
    tmp_path: Path, piped: Callable[..., tuple[Rig, Pipes]]
) -> None:
    files = {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "sys/class/thermal/thermal_zone0/type": "AO-therm\n",
        "sys/class/thermal/thermal_zone0/temp": "30000\n",
        "sys/class/thermal/thermal_zone3/type": "CPU-therm\n",
        "sys/class/thermal/thermal_zone3/temp": "41500\n",
        "sys/class/thermal/thermal_zone5/type": "GPU-therm\n",
        "sys/class/thermal/thermal_zone5/temp": "N/A\n",
        "sys/class/hwmon/hwmon0/temp1_input": "40000\n",
    }
    rails = [("VDD_IN", 5080, 1016), ("VDD_CPU_GPU_CV", 5072, 320), ("VDD_SOC", 5064, -8)]
    for i, (label, mv, ma) in enumerate(rails, 1):
        base = "sys/class/hwmon/hwmon3"
        files[f"{base}/in{i}_label"] = f"{label}\n"
        files[f"{base}/in{i}_input"] = f"{mv}\n"
        files[f"{base}/curr{i}_input"] = f"{ma}\n"
    files["sys/class/hwmon/hwmon4/in1_input"] = "12000\n"  # a voltage without a current is no rail
    rig, _ = piped("--sys-root", tree(tmp_path, files))
    health = rig.health(rig.nodes)["n0"]
    assert health.cpu_temp_mc == 41500
    assert (health.clock_khz, health.throttled, health.free_mib) == (None, None, None)
    assert [(r.name, r.mv, r.ma) for r in health.rails] == [
        ("VDD_IN", 5080, 1016),
        ("VDD_CPU", 5072, 320),
        ("VDD_SOC", 5064, -8),
    ]


def test_a_machine_without_sensors_reports_no_health_values(
    tmp_path: Path, piped: Callable[..., tuple[Rig, Pipes]]
) -> None:
    rig, _ = piped("--sys-root", str(tmp_path))
    assert rig.nodes[0].hello is not None and rig.nodes[0].hello.board == ""
    health = rig.health(rig.nodes)["n0"]
    assert (health.cpu_temp_mc, health.clock_khz, health.throttled) == (None, None, None)
    assert health.rails == ()

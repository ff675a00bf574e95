"""A step that a process board holds: its experiments leave nothing behind, and nothing that happens
to its worker is for good."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hil.campaign.held_step import HeldStep
from hil.campaign.trace import unpack_trace
from hil.errors import NodeError
from hil.kernel import Golden, workload
from hil.rig.agent_setup import Budget
from hil.rig.backends.inproc import InprocBoard
from hil.rig.backends.process import ProcessBoard
from hil.rig.calls import Timing
from hil.rig.node import DONE, Node, NodeResult
from hil.rig.processor_use import ProcessorUse
from hil.rig.rig import Rig
from hil.wire.campaign import TEXT_FROM, Site, Space, position_request
from hil.wire.encoding import limit_request
from hil.wire.messages import Arm, Limits, Msg
from hil.wire.outcomes import Outcomes
from tests.waiting import wait_until

pytestmark = pytest.mark.ptrace

SEED = 11
PASSED = 3
"""Frames before the one that is held."""

MASKED, LATENT, SDC, FAILED = range(4)
HANG = 0
SEFI_HANG, SEFI_CRASH = 1, 2


class HeldBoard:
    """A process board, the golden run beside it, and `PASSED` frames behind both."""

    def __init__(self, name: str, cpu_us: int = 200_000, lost_after_us: int = 5_000_000) -> None:
        self.board = ProcessBoard("a")
        self.node = Node("a", 0, self.board)
        self.rig = Rig([self.node], name, SEED, Timing(lost_after_us=lost_after_us))
        ticks = 2 * workload(name).ticks + 8
        self.rig.setup.budget = Budget(cpu_us, ticks)
        self.golden = Golden(name, SEED)
        self.rig.open()
        self.rig.load(self.node)
        for frame in range(PASSED):
            self.golden.step()
            self.check(self.step(frame))
        self.golden.step()

    def step(self, frame: int) -> NodeResult:
        return self.rig.step([self.node], frame, self.golden.input_of(frame))["a"]

    def check(self, result: NodeResult) -> None:
        assert result.output_digest == self.golden.output_digest
        assert result.state_digest == self.golden.state_digest

    def hold(self) -> HeldStep:
        return HeldStep(self.rig, self.node, PASSED, self.golden.input_of(PASSED))

    def check_that_it_works(self) -> None:
        """The frame that was held, and the one after it, are golden."""
        self.check(self.step(PASSED))
        self.golden.step()
        self.check(self.step(PASSED + 1))

    @property
    def pid(self) -> int:
        assert self.board.pid is not None
        return self.board.pid

    @property
    def worker(self) -> int:
        (pid,) = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(pid)


@pytest.fixture
def make() -> Iterator[Callable[..., HeldBoard]]:
    made: list[HeldBoard] = []

    def board(name: str, **options: int) -> HeldBoard:
        made.append(HeldBoard(name, **options))
        return made[-1]

    yield board
    for one in made:
        one.rig.close()


def length_of(held: HeldStep) -> int:
    """The number of instructions of the step."""
    return unpack_trace(held.trace(), held.opened.gpr_count).length


def random_sites(held: HeldStep, length: int, count: int, rng: random.Random) -> list[Site]:
    """Sites of every kind, in the order of their instructions."""
    o = held.opened
    stack_top = o.stack_at + o.stack_len
    places = [
        (Space.MEMORY, o.state_at, 64),
        (Space.MEMORY, o.input_at, 8),
        (Space.MEMORY, o.output_at, 8),
        (Space.MEMORY, o.heap_at, 64),
        (Space.MEMORY, stack_top - 256, 256),
        (Space.GPR, 0, o.gpr_count * o.gpr_bytes),
        (Space.VECTOR, 0, o.vector_bytes),
    ]
    sites: list[Site] = []
    for i, position in enumerate(sorted(rng.randrange(length) for _ in range(count))):
        space, first, size = places[i % len(places)]
        sites.append(Site(position, space, first + rng.randrange(size), 1 << rng.randrange(8)))
    return sites


def resident_kib(pid: int, address: int) -> int:
    """The memory in use [KiB] of the mapping that begins at an address."""
    lines = iter(Path(f"/proc/{pid}/smaps").read_text().splitlines())
    for line in lines:
        if line.startswith(f"{address:x}-"):
            return int(next(one for one in lines if one.startswith("Rss:")).split()[1])
    raise AssertionError(f"no mapping at {address:#x}")


def outcomes_of(held: HeldStep, sites: list[Site]) -> Outcomes:
    return held.run(sites, severity=True)


def test_a_board_that_cannot_hold_a_step_says_so() -> None:
    node = Node("a", 0, InprocBoard("a", 0))
    rig = Rig([node], "attitude", SEED, Timing())
    rig.open()
    rig.load(node)
    try:
        with pytest.raises(NodeError, match="CAMPAIGN_OPEN"):
            HeldStep(rig, node, 0, Golden("attitude", SEED).input_of(0))
    finally:
        rig.close()


@pytest.mark.slow
def test_a_held_step_is_the_golden_one(make: Callable[..., HeldBoard]) -> None:
    one = make("sha256")
    with one.hold() as held:
        assert held.opened.output_digest == one.golden.output_digest
        assert held.opened.state_digest == one.golden.state_digest
        assert held.opened.ticks == one.golden.workload.ticks
        assert length_of(held) > 10_000
    one.check_that_it_works()


def test_experiments_leave_nothing_behind(make: Callable[..., HeldBoard]) -> None:
    """Each outcome is the same alone in a fresh campaign, after all the others, and once more."""
    one = make("attitude")
    rng = random.Random(5)
    with one.hold() as held:
        packed = held.trace()
        sites = random_sites(held, length_of(held), 140, rng)
        together = outcomes_of(held, sites)
        assert outcomes_of(held, sites) == together
        assert held.trace() == packed
        assert outcomes_of(held, sites) == together
    assert len(set(together.codes)) == 4, "every outcome was seen"
    for i in rng.sample(range(len(sites)), 40):
        with one.hold() as held:
            assert outcomes_of(held, [sites[i]]).codes == together.codes[i : i + 1], sites[i]
    one.check_that_it_works()


def test_pages_that_an_experiment_made_are_removed(make: Callable[..., HeldBoard]) -> None:
    """The step goes on upon a stack elsewhere, where there were no pages."""
    one = make("attitude")
    with one.hold() as held:
        o = held.opened
        stack_pointer = 8 * {17: 7, 33: 31}[o.gpr_count]
        before = resident_kib(one.worker, o.arena + o.stack_at)
        sites = [Site(at, Space.GPR, stack_pointer + 1, 0xF0, 2) for at in range(0, 1200, 60)]
        outcomes_of(held, sites)
        assert resident_kib(one.worker, o.arena + o.stack_at) == before > 0
    one.check_that_it_works()


def test_a_bit_that_hits_at_the_end_is_seen(make: Callable[..., HeldBoard]) -> None:
    one = make("attitude")
    with one.hold() as held:
        end = length_of(held)
        o = held.opened
        sites = [
            Site(end, Space.MEMORY, o.state_at),
            Site(end, Space.MEMORY, o.output_at),
            Site(end, Space.MEMORY, o.heap_at),
        ]
        outcomes = outcomes_of(held, sites)
    assert outcomes.codes == bytes([LATENT] * 8 + [SDC] * 8 + [MASKED] * 8)
    assert outcomes.details == bytes([1] * 8)


def test_what_cannot_be_hit_is_refused(make: Callable[..., HeldBoard]) -> None:
    one = make("attitude")
    with one.hold() as held:
        o = held.opened
        end = length_of(held)
        for site in (
            Site(end + 1, Space.MEMORY, o.state_at),
            Site(0, Space.MEMORY, 0),  # the control block, which is the bench's
            Site(0, Space.MEMORY, o.stack_at + o.stack_len),
            Site(0, Space.GPR, o.gpr_count * o.gpr_bytes),
            Site(0, Space.VECTOR, o.vector_bytes),
            Site(2**64 - 1, Space.GPR, 0),
        ):
            with pytest.raises(NodeError, match="argument out of range"):
                held.run([site])
        held.run([Site(7, Space.GPR, 0)])
        for position in (7, 9):
            request = position_request(position)
            with pytest.raises(NodeError, match="argument out of range"):
                held._ask(Msg.CAMPAIGN_TRACE, request)  # it does not go on from where a run is
        assert length_of(held) == end
    one.check_that_it_works()


def test_a_worker_that_is_killed_in_a_campaign_is_replaced(
    make: Callable[..., HeldBoard],
) -> None:
    one = make("attitude")
    held = one.hold()
    sites = [Site(0, Space.MEMORY, held.opened.state_at, bytes=90)]
    before = outcomes_of(held, sites)
    os.kill(one.worker, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(NodeError, match="system"):
            held.run(sites)
    with pytest.raises(NodeError):
        held.trace()
    with one.hold() as held:
        assert outcomes_of(held, sites) == before
        os.kill(one.worker, signal.SIGKILL)
    one.check_that_it_works()


def test_a_worker_that_is_killed_in_a_long_experiment_is_replaced(
    make: Callable[..., HeldBoard],
) -> None:
    """What was known of that experiment is forgotten, or its successor would seem to hang."""
    one = make("attitude", cpu_us=2_000_000)
    held = one.hold()
    site = Site(0, Space.MEMORY, held.opened.state_at)
    before = outcomes_of(held, [site])
    worker = one.worker

    def kill_it_when_it_loops() -> None:
        use = ProcessorUse(worker)
        began = use.used_us() or 0
        wait_until(lambda: (use.used_us() or 0) > began + 200_000)
        os.kill(worker, signal.SIGKILL)

    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill_it_when_it_loops)
        with pytest.raises(NodeError, match="system"):
            held.run([Site(500, Space.CPU, SEFI_HANG, 1)])
        killed.result()
    with one.hold() as held:
        assert outcomes_of(held, [site]) == before
    one.check_that_it_works()


@pytest.mark.slow
def test_the_link_is_served_while_an_experiment_hangs(make: Callable[..., HeldBoard]) -> None:
    """Its budget is more than twice as long as the host waits for a sign of life."""
    one = make("attitude", cpu_us=4_500_000, lost_after_us=2_000_000)
    with one.hold() as held:
        last = Site(502, Space.MEMORY, held.opened.heap_at)
        alone = outcomes_of(held, [last])
        sites = [Site(500, Space.CPU, SEFI_HANG, 1), Site(501, Space.CPU, SEFI_CRASH, 1), last]
        outcomes = outcomes_of(held, sites)
    assert outcomes.codes == bytes([FAILED, FAILED]) + alone.codes
    assert outcomes.details == bytes([HANG, signal.SIGILL]) + alone.details
    one.check_that_it_works()


def test_an_open_that_fails_half_way_changes_nothing(make: Callable[..., HeldBoard]) -> None:
    """The step passes its budget of ticks: state, cores and worker are as before."""
    one = make("sha256")
    cores = os.sched_getaffinity(one.pid)
    one.rig.setup.budget = Budget(200_000, 3)
    one.rig.setup.refresh_budgets([one.node])
    for _ in range(3):
        with pytest.raises(NodeError, match="system"):
            one.hold()
        assert os.sched_getaffinity(one.pid) == cores
    one.rig.setup.budget = Budget(200_000, 1000)
    one.rig.setup.refresh_budgets([one.node])
    one.check_that_it_works()


def test_the_agent_has_its_cores_back(make: Callable[..., HeldBoard]) -> None:
    one = make("attitude")
    cores = os.sched_getaffinity(one.pid)
    with one.hold() as held:
        assert len(os.sched_getaffinity(one.pid)) == 1
        assert os.sched_getaffinity(one.worker) == os.sched_getaffinity(one.pid)
    assert os.sched_getaffinity(one.pid) == cores
    assert os.sched_getaffinity(one.worker) == cores
    held = one.hold()
    del held
    one.rig.reset(one.node)
    assert os.sched_getaffinity(one.pid) == cores


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_limit_of_cores_outlives_a_campaign(make: Callable[..., HeldBoard]) -> None:
    one = make("attitude")
    one.rig.requests.ask(one.node, Msg.LIMIT, limit_request(Limits(cores=1)))
    limited = os.sched_getaffinity(one.worker)
    assert len(limited) == 1
    with one.hold():
        assert os.sched_getaffinity(one.worker) == limited
    assert os.sched_getaffinity(one.worker) == limited
    one.check_that_it_works()


def test_campaigns_leave_no_memory_descriptor_or_process(make: Callable[..., HeldBoard]) -> None:
    one = make("attitude")

    def resources() -> tuple[int, int, int]:
        status = Path(f"/proc/{one.pid}/status").read_text()
        (size,) = (int(s.split()[1]) for s in status.splitlines() if s.startswith("VmSize"))
        maps = Path(f"/proc/{one.pid}/maps").read_text().count("\n")
        return size, maps, len(list(Path(f"/proc/{one.pid}/fd").iterdir()))

    with one.hold():
        pass
    before = resources()
    for _ in range(50):
        with one.hold() as held:
            held.run([Site(40, Space.MEMORY, held.opened.state_at, bytes=8)])
    assert resources() == before
    assert one.worker  # one, and no zombie beside it


def test_a_hit_of_machine_code_does_what_the_agent_sees_of_it(
    make: Callable[..., HeldBoard],
) -> None:
    """Each bit twice: in a held step before its first instruction, and armed by the agent for the
    beginning of the same step. The code is put back: no outcome depends on those before it."""
    one = make("attitude")
    bits = random.Random(8).sample(range(8 * workload("attitude").text_len), 60)
    with one.hold() as held:
        sites = [Site(0, Space.CPU, TEXT_FROM + bit // 8, 1 << bit % 8) for bit in bits]
        outcomes = outcomes_of(held, sites)
        assert outcomes_of(held, sites) == outcomes
        end = Site(length_of(held), Space.CPU, TEXT_FROM)
        assert outcomes_of(held, [end]).codes == bytes([LATENT] * 8)  # it stays hit
        with pytest.raises(NodeError, match="argument out of range"):
            held.run([Site(0, Space.CPU, TEXT_FROM + held.opened.text_len)])
    one.check_that_it_works()
    seen = []
    for bit in bits:
        one.rig.load(one.node)
        golden = Golden("attitude", SEED)
        for frame in range(PASSED + 1):
            golden.step()
            if frame in {0, PASSED}:  # a worker with its code as it was, and as fresh as a held one
                one.rig.restart(one.node)
            if frame == PASSED:
                arm = Arm(1, frame, "text", "bit", tick=0, bit=bit)
                assert one.rig.arm(one.node, arm) is None
            result = one.step(frame)
        if result.status != DONE:
            seen.append(FAILED)
        else:
            right = result.output_digest == golden.output_digest
            seen.append(LATENT if right else SDC)
    assert list(outcomes.codes) == seen
    assert set(seen) == {LATENT, SDC, FAILED}

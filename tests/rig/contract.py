"""What every kind of board must do, whatever it is made of: subclass, say how to make one, run.

All of it goes through `hil.rig.rig.Rig`, as in a run. Truth comes from `oracle` and from the
golden run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from hil._kernel import lib
from hil.errors import LinkTimeout, NodeError
from hil.kernel import CHUNK, Golden, workload, workloads
from hil.rig.agent_setup import Budget
from hil.rig.calibration import calibrate
from hil.rig.calls import Call, ReadCall, Timing, WriteCall
from hil.rig.exchange import run_calls
from hil.rig.link import LinkNoise
from hil.rig.node import ABSENT, CRASHED, DONE, HUNG, SILENT, Board, Node, NodeResult
from hil.rig.resync import delta_resync, locate, read_state, write_state
from hil.rig.rig import Rig
from hil.scenario.words import Direction, LinkNoiseKind
from hil.wire.encoding import budget_request, limit_request, sync_request
from hil.wire.messages import Arm, Limits, Msg, Region, Report, Sync
from tests.amount import without_variants

from .faulty import FAULTS, FaultyTransport
from .oracle import Memory, digest, place, random_arm, run

SEED = 20250404
HIL_OK: int = lib.HIL_OK
HIL_ERR_DAMAGED: int = lib.HIL_ERR_DAMAGED
TARGETS = ("state", "state", "input", "output")
TIMING = Timing(retry_us=20_000, lost_after_us=5_000_000)

MakeRig = Callable[..., Rig]


def check_bits(word: int) -> int:
    """The check byte of 64 bits as textbooks make it: an array of positions from 1 on, of which the
    powers of two are parities over all positions that have that bit, and one parity over all."""
    places = [0] * 72
    data = iter(range(64))
    for position in range(1, 72):
        if position & (position - 1):
            places[position] = word >> next(data) & 1
    for power in (1, 2, 4, 8, 16, 32, 64):
        places[power] = sum(places[p] for p in range(1, 72) if p & power) & 1
    parities = [places[power] for power in (1, 2, 4, 8, 16, 32, 64)] + [sum(places) & 1]
    return sum(bit << i for i, bit in enumerate(parities))


def region(rig: Rig, node: Node, which: Region, length: int) -> bytes:
    """A whole region, read over the wire."""
    call = ReadCall(node.link, rig.requests.next_seq(), which, 0, length)
    run_calls([call], rig.requests.timing)
    return rig.requests.expect(node, call)


def write(rig: Rig, node: Node, offset: int, content: bytes) -> None:
    """Bytes of the state, over the wire."""
    call = WriteCall(node.link, rig.requests.reserve_seqs(100), Region.STATE, offset, content)
    run_calls([call], rig.requests.timing)
    rig.requests.expect(node, call)


def one(rig: Rig, frame: int, input_: bytes, node: Node | None = None) -> NodeResult:
    """One frame on one node."""
    node = node or rig.nodes[0]
    return rig.step([node], frame, input_)[node.name]


def is_golden(result: NodeResult, golden: Golden) -> bool:
    """The very result of the golden run's last step."""
    return (
        result.status == DONE
        and result.output_digest == golden.output_digest
        and result.state_digest == golden.state_digest
        and result.output == golden.output
    )


def needs_power(rig: Rig) -> None:
    """Skip what only a board can show whose power is in our hands."""
    if not rig.nodes[0].board.can_cycle:
        pytest.skip("nothing is known that switches the power of this board (`power:`)")


def report_of(rig: Rig, node: Node, id_: int) -> Report:
    report = rig.report(node, id_)
    assert report is not None
    return report


class NodeContract:
    """Subclasses say how a board is made; `crash_signals` are those a SEFI crash may be told of,
    `timing` is for boards whose line is slow.
    `slowness`: how many times longer than usual it may take to answer; `stride`: where every
    operation is made to fail once, every which one."""

    crash_signals = frozenset({4})
    timing = TIMING
    slowness = 1
    stride = 1

    def make_board(self, name: str, index: int) -> Board:
        raise NotImplementedError

    @pytest.fixture
    def make_rig(self) -> Iterator[MakeRig]:
        """Makes rigs of `nodes` boards with `name` loaded; closes them."""
        made: list[Rig] = []

        def make(name: str, nodes: int = 1, timing: Timing | None = None) -> Rig:
            timing = timing or self.timing
            timing = Timing(timing.retry_us * self.slowness, timing.lost_after_us)
            members = [Node(f"n{i}", i, self.make_board(f"n{i}", i)) for i in range(nodes)]
            rig = Rig(members, name, SEED, timing)
            made.append(rig)
            rig.setup.budget = Budget(100_000, 4 * workload(name).ticks + 64)
            rig.open()
            for node in rig.nodes:
                if node.board.can_return:
                    rig.reset(node)  # it remembers the test before this one
                else:
                    rig.load(node)
            return rig

        yield make
        for rig in made:
            rig.close()

    # --- who it is, what it computes ------------------------------------------------------------

    def test_a_board_says_who_it_is(self, make_rig: MakeRig) -> None:
        rig = make_rig("attitude")
        hello = rig.nodes[0].hello
        assert hello is not None
        assert {"state", "input", "output", "checkpoint", "cpu"} <= hello.targets
        assert "link" not in hello.targets
        assert hello.port and hello.arch and hello.version
        again = rig.connect(rig.nodes[0])  # open as it is
        assert again.boot_id == hello.boot_id

    @pytest.mark.parametrize("name", without_variants(w.name for w in workloads()))
    def test_every_frame_of_every_workload_is_golden(self, make_rig: MakeRig, name: str) -> None:
        rig = make_rig(name, nodes=2)
        golden = Golden(name, SEED)
        for node in rig.nodes:
            assert rig.load(node) == golden.state_digest
        for frame in range(60):
            golden.step()
            results = rig.step(rig.nodes, frame, golden.input)
            assert all(is_golden(r, golden) for r in results.values()), frame
            assert {r.ticks for r in results.values()} == {golden.workload.ticks}
        for node in rig.nodes:
            assert read_state(rig, node, golden.workload.state_len) == golden.state
            assert region(rig, node, Region.INPUT, golden.workload.input_len) == golden.input
            assert region(rig, node, Region.OUTPUT, golden.workload.output_len) == golden.output

    def test_calibration_leaves_the_initial_state(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256", nodes=2)
        calibration = calibrate(rig, 10, 10.0, 20_000)
        assert calibration.budget.cpu_us >= 20_000
        golden = Golden("sha256", SEED)
        golden.step()
        results = rig.step(rig.nodes, 0, golden.input)
        assert all(is_golden(r, golden) for r in results.values())

    def test_a_frame_that_was_done_may_be_asked_for_again(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        golden = Golden("sha256", SEED)
        golden.step()
        first = one(rig, 0, golden.input)
        assert one(rig, 0, golden.input) == first
        rig.health(rig.nodes)
        assert one(rig, 0, golden.input) == first
        assert rig.health(rig.nodes)["n0"].steps == 1

    # --- upsets ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", ["matmul", "sha256"])
    def test_random_upsets_do_what_the_oracle_says(self, make_rig: MakeRig, name: str) -> None:
        """200 upsets of all portable targets and patterns, each in the state the last one left."""
        rng = random.Random(f"{SEED} {name}")
        rig = make_rig(name)
        golden = Golden(name, SEED)
        node, w = rig.nodes[0], golden.workload
        m = Memory(bytearray(golden.state), output=bytearray(w.output_len))
        effects = 0
        for frame in range(200):
            m.input[:] = golden.input_of(frame)
            clean = Memory(bytearray(m.state), bytearray(m.input), bytearray(m.output))
            run(name, clean, None)
            arm = random_arm(rng, 1000 + frame, frame, w.ticks, TARGETS)
            assert rig.arm(node, arm) is None
            result = one(rig, frame, bytes(m.input))
            hit = run(name, m, arm)
            assert hit is not None
            report = report_of(rig, node, arm.id)
            where = f"frame {frame}: {arm} -> {report}"
            assert (report.state, report.verified, report.frame) == ("injected", True, frame), where
            assert (report.tick, report.steps) == (arm.tick, 0), where
            assert (report.bit, report.space) == (hit.bit, hit.space), where
            assert (report.before, report.after) == (hit.before, hit.after), where
            assert report.changed == (hit.before != hit.after), where
            offset, length, _ = place(arm, len(m.of(arm.target)))
            now = bytes(m.of(arm.target)[offset : offset + length])
            held = all(
                (n ^ a) & (b ^ a) == 0 for n, a, b in zip(now, hit.after, hit.before, strict=True)
            )
            assert report.persisted == (report.changed and held), where
            assert result.status == DONE and result.pending == 1, where
            assert result.output == bytes(m.output), where
            assert result.output_digest == digest(m.output), where
            assert result.state_digest == digest(m.state), where
            effects += bytes(m.output) != bytes(clean.output) or m.state != clean.state
        assert 50 < effects < 200

    def test_an_upset_at_the_last_tick_is_what_is_read_back(self, make_rig: MakeRig) -> None:
        rig = make_rig("matmul")
        golden = Golden("matmul", SEED)
        node, w = rig.nodes[0], golden.workload
        for frame, target in enumerate(("state", "input", "output")):
            golden.step()
            arm = Arm(7 + frame, frame, target, "bit", tick=w.ticks, bit=1234567)
            assert rig.arm(node, arm) is None
            one(rig, frame, golden.input)
            want = {"state": golden.state, "input": golden.input, "output": golden.output}[target]
            got = region(rig, node, Region[target.upper()], len(want))
            difference = int.from_bytes(got, "little") ^ int.from_bytes(want, "little")
            assert difference == 1 << 1234567 % (8 * len(want))
            report = report_of(rig, node, arm.id)
            assert report.persisted and report.bit == 1234567 % (8 * len(want))
            if target == "state":
                write_state(rig, node, got, want)
                rig.requests.ask(node, Msg.SYNC, sync_request(frame, golden.state_digest))

    def test_positions_behind_the_end_are_missed(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        golden = Golden("sha256", SEED)
        ticks = golden.workload.ticks
        golden.step()
        assert rig.arm(rig.nodes[0], Arm(1, 0, "state", "bit", tick=ticks + 1)) is None
        assert is_golden(one(rig, 0, golden.input), golden)
        report = report_of(rig, rig.nodes[0], 1)
        assert (report.state, report.verified, report.changed) == ("missed", False, False)

    def test_a_board_refuses_what_it_cannot_do(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        node = rig.nodes[0]
        assert rig.arm(node, Arm(1, 0, "link", "bit")) == "argument out of range"
        assert rig.report(node, 99) is None
        golden = Golden("sha256", SEED)
        golden.step()
        one(rig, 0, golden.input)
        assert rig.arm(node, Arm(1, 0, "state", "bit")) == "not possible in its present state"
        with pytest.raises(NodeError, match="RESTORE"):
            rig.restore(node, Sync(0, golden.state_digest))

    # --- functional interrupts, deaths, repairs -------------------------------------------------

    def test_a_hang_is_found_and_a_restart_keeps_the_state(self, make_rig: MakeRig) -> None:
        rig = make_rig("matmul")
        golden = Golden("matmul", SEED)
        node = rig.nodes[0]
        golden.step()
        assert is_golden(one(rig, 0, golden.input), golden)
        after_0 = golden.state
        golden.step()
        for tick in (0, 7):
            assert rig.arm(node, Arm(10 + tick, 1, "cpu", "hang", tick=tick)) is None
            result = one(rig, 1, golden.input)
            assert (result.status, result.output, result.output_digest) == (HUNG, b"", 0)
            assert one(rig, 1, golden.input) == result  # the same request: the same answer
            report = report_of(rig, node, 10 + tick)
            assert (report.state, report.verified, report.tick) == ("injected", True, tick)
            assert one(rig, 1, golden.input).status == ABSENT
            rig.restart(node)
            assert (
                read_state(rig, node, len(after_0)) == after_0
            )  # its rows are read, folded at the end
        assert is_golden(one(rig, 1, golden.input), golden)
        health = rig.health([node])["n0"]
        assert (health.hangs, health.crashes, health.restarts) == (2, 0, 2)

    def test_a_crash_is_reported_with_its_signal(self, make_rig: MakeRig) -> None:
        rig = make_rig("matmul", nodes=2)
        golden = Golden("matmul", SEED)
        node = rig.nodes[0]
        golden.step()
        for tick in (0, 20):
            assert rig.arm(node, Arm(10 + tick, 0, "cpu", "crash", tick=tick)) is None
            result = one(rig, 0, golden.input)
            assert result.status == CRASHED
            assert result.signal in self.crash_signals
            assert report_of(rig, node, 10 + tick).state == "injected"
            rig.restart(node)
        results = rig.step(rig.nodes, 0, golden.input)
        assert all(is_golden(r, golden) for r in results.values())
        assert rig.health([node])["n0"].crashes == 2

    @pytest.mark.parametrize("tick", [0, 5])
    def test_a_board_that_resets_is_a_new_one(self, make_rig: MakeRig, tick: int) -> None:
        rig = make_rig("sha256", nodes=2)
        golden = Golden("sha256", SEED)
        node = rig.nodes[0]
        assert node.hello is not None
        before = node.hello.boot_id
        golden.step()
        assert rig.arm(node, Arm(1, 0, "cpu", "reset", tick=tick)) is None
        results = rig.step(rig.nodes, 0, golden.input)
        assert results["n0"].status == ABSENT and results["n0"].rebooted
        assert is_golden(results["n1"], golden)
        rig.reload(node)
        assert node.hello.boot_id != before
        assert rig.report(node, 1) is None
        assert is_golden(one(rig, 0, golden.input), golden)

    def test_reset_and_power_cycle_restore_the_initial_state(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        needs_power(rig)
        node = rig.nodes[0]
        golden = Golden("sha256", SEED)
        golden.step()
        seen = {node.hello.boot_id if node.hello else 0}
        for repair in (rig.reset, rig.power_cycle, rig.reset, rig.power_cycle):
            assert is_golden(one(rig, 0, golden.input), golden)
            repair(node)
            assert node.hello is not None
            seen.add(node.hello.boot_id)
        assert is_golden(one(rig, 0, golden.input), golden)
        assert len(seen) == 5

    def test_a_board_without_power_is_silent(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256", nodes=2)
        needs_power(rig)
        golden = Golden("sha256", SEED)
        golden.step()
        rig.nodes[0].board.power_off()
        results = rig.step(rig.nodes, 0, golden.input)
        assert results["n0"].status == SILENT
        # The adapter of a real board stays, and knows nothing of it.
        assert results["n0"].disconnected or rig.nodes[0].board.can_return
        assert is_golden(results["n1"], golden)
        rig.power_cycle(rig.nodes[0])
        assert is_golden(one(rig, 0, golden.input), golden)

    # --- limits ---------------------------------------------------------------------------------

    def test_a_duty_makes_steps_slow_and_changes_no_result(self, make_rig: MakeRig) -> None:
        rig = make_rig("matmul", nodes=2)
        golden = Golden("matmul", SEED)
        slow = rig.nodes[0]
        limited = rig.limit(slow, Limits(duty_permille=250))
        assert (limited.duty_permille, limited.suspend, limited.errno) == (250, False, 0)
        assert limited.refused == frozenset() and "hold" in limited.means
        for frame in range(20):
            golden.step()
            results = rig.step(rig.nodes, frame, golden.input)
            assert all(is_golden(r, golden) for r in results.values())
            assert results["n0"].step_us >= 3 * results["n0"].cpu_us > 0
            assert results["n1"].step_us > 0
            assert (
                one(rig, frame, golden.input, slow) == results["n0"]
            )  # told again, not done again
        limited = rig.limit(slow, Limits())
        assert limited.duty_permille == 1000 and not limited.means & {"hold", "slice", "stop"}
        golden.step()
        assert is_golden(one(rig, 20, golden.input, slow), golden)
        assert rig.health([slow])["n0"].steps == 21

    def test_a_suspended_board_does_not_compute_and_keeps_its_state(
        self, make_rig: MakeRig
    ) -> None:
        rig = make_rig("sha256")
        golden = Golden("sha256", SEED)
        node = rig.nodes[0]
        golden.step()
        before = one(rig, 0, golden.input)
        for again in range(2):  # limits are absolute: a repetition changes nothing
            limited = rig.limit(node, Limits(duty_permille=500, suspend=True))
            assert limited.suspend and "stop" in limited.means, again
        assert one(rig, 0, golden.input) == before
        state = golden.state
        golden.step()
        for _ in range(3):
            result = one(rig, 1, golden.input)
            assert (result.status, result.suspended, result.rebooted) == (ABSENT, True, False)
            assert "suspended" in result.reason
        assert rig.health([node])["n0"].steps == 1
        assert read_state(rig, node, len(state)) == state
        assert not rig.limit(node, Limits(duty_permille=500)).suspend
        assert is_golden(one(rig, 1, golden.input), golden)

    def test_a_software_board_reports_limits_that_it_cannot_apply(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        golden = Golden("sha256", SEED)
        node = rig.nodes[0]
        limited = rig.limit(node, Limits(duty_permille=700, clock_khz=1000, mode="15W"))
        assert limited.refused == {"clock", "mode"}
        assert limited.duty_permille == 700
        assert not limited.means & {"cpufreq", "nvpmodel"}
        assert rig.limit(node, Limits(clock_khz=1000)).refused == {"clock"}
        assert rig.limit(node, Limits()).refused == frozenset()
        golden.step()
        assert is_golden(one(rig, 0, golden.input), golden)

    def test_a_reset_and_a_loss_of_power_lift_limits(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        golden = Golden("sha256", SEED)
        node = rig.nodes[0]
        golden.step()
        for repair in (rig.reset, rig.power_cycle)[: 1 + node.board.can_cycle]:
            rig.limit(node, Limits(duty_permille=1, suspend=True))
            rig.restart(node)  # which lifts none
            assert one(rig, 1, golden.input).suspended
            repair(node)
            assert is_golden(one(rig, 0, golden.input), golden)
            shares = []
            for _ in range(20):  # this computer may be busy in one of them
                rig.load(node)
                result = one(rig, 0, golden.input)
                shares.append(result.step_us / max(1, result.cpu_us))
            assert min(shares) < 1000

    def test_a_restart_heals_a_damaged_budget_and_damaged_limits(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        node = rig.nodes[0]
        golden = Golden("sha256", SEED)
        golden.step()
        rig.requests.ask(
            node, Msg.BUDGET, budget_request(5_000_000, 1, 0)
        )  # as an upset may leave it
        assert one(rig, 0, golden.input).status == HUNG
        rig.requests.ask(node, Msg.LIMIT, limit_request(Limits(suspend=True)))
        rig.restart(node)
        assert one(rig, 0, golden.input).status == DONE

    def test_a_restart_keeps_the_limits_that_were_ordered(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        node = rig.nodes[0]
        rig.limit(node, Limits(duty_permille=500, suspend=True))
        rig.requests.ask(node, Msg.LIMIT, limit_request(Limits()))
        rig.restart(node)
        golden = Golden("sha256", SEED)
        golden.step()
        assert one(rig, 0, golden.input).suspended

    # --- state transfer -------------------------------------------------------------------------

    def test_one_flipped_bit_of_a_megabyte_moves_a_few_chunks(self, make_rig: MakeRig) -> None:
        rig = make_rig("archive", nodes=3)
        golden = Golden("archive", SEED)
        target, *sources = rig.nodes
        length = golden.workload.state_len
        for frame in range(3):
            golden.step()
            bit = (length // 2 + 4097 * frame) * 8 + 3
            assert rig.arm(target, Arm(frame, frame, "state", "bit", tick=10, bit=bit)) is None
            results = rig.step(rig.nodes, frame, golden.input)
            assert results["n0"].state_digest != golden.state_digest
            assert all(is_golden(results[n.name], golden) for n in sources)
            assert locate(rig, target, sources[0], length) == [bit // 8 // CHUNK]
            moved = [n.link.statistics.rx_bytes + n.link.statistics.tx_bytes for n in rig.nodes]
            resync = delta_resync(rig, target, sources, frame, golden.state_digest, length)
            assert (resync.chunks, resync.bytes_moved, resync.full) == (1, CHUNK, False)
            (damage,) = resync.damage
            assert damage.offset == bit // 8 // CHUNK * CHUNK
            assert damage.diff_bits == 1
            assert damage.voted == golden.state[damage.offset : damage.offset + CHUNK]
            for n, before in zip(rig.nodes, moved, strict=True):
                assert n.link.statistics.rx_bytes + n.link.statistics.tx_bytes - before < 6000
        golden.step()
        assert all(is_golden(r, golden) for r in rig.step(rig.nodes, 3, golden.input).values())

    @pytest.mark.parametrize("sources", [1, 2])
    def test_a_state_that_differs_all_over_is_copied(self, make_rig: MakeRig, sources: int) -> None:
        rig = make_rig("matmul", nodes=1 + sources)
        golden = Golden("matmul", SEED)
        target = rig.nodes[0]
        golden.step()
        assert rig.arm(target, Arm(1, 0, "input", "zero_word", tick=0, width=64)) is None
        rig.step(rig.nodes, 0, golden.input)
        length = golden.workload.state_len
        resync = delta_resync(rig, target, rig.nodes[1:], 0, golden.state_digest, length)
        assert resync.full and resync.bytes_moved == length
        golden.step()
        assert all(is_golden(r, golden) for r in rig.step(rig.nodes, 1, golden.input).values())

    def test_a_node_that_was_away_catches_up(self, make_rig: MakeRig) -> None:
        rig = make_rig("attitude", nodes=3)
        golden = Golden("attitude", SEED)
        for frame in range(5):
            golden.step()
            rig.step(rig.nodes[1:] if frame else rig.nodes, frame, golden.input)
        late, *sources = rig.nodes
        delta_resync(rig, late, sources, 4, golden.state_digest, golden.workload.state_len)
        golden.step()
        assert all(is_golden(r, golden) for r in rig.step(rig.nodes, 5, golden.input).values())

    def test_a_stuck_cell_makes_a_resync_fail(self, make_rig: MakeRig) -> None:
        rig = make_rig("archive", nodes=3)
        golden = Golden("archive", SEED)
        length = golden.workload.state_len
        golden.step()
        at = length - 1000
        value = 1 - (golden.state[at] >> 5 & 1)
        target, *sources = rig.nodes
        arm = Arm(1, 0, "state", "stuck", tick=2, bit=8 * at + 5, value=value)
        assert rig.arm(target, arm) is None
        rig.step(rig.nodes, 0, golden.input)
        for _ in range(2):
            with pytest.raises(NodeError, match=r"SYNC.*damaged"):
                delta_resync(rig, target, sources, 0, golden.state_digest, length)
        rig.restart(target)
        with pytest.raises(NodeError, match=r"SYNC.*damaged"):
            delta_resync(rig, target, sources, 0, golden.state_digest, length)

    def test_a_resync_without_sources_is_refused(self, make_rig: MakeRig) -> None:
        rig = make_rig("attitude")
        with pytest.raises(NodeError, match="no other node is left"):
            delta_resync(rig, rig.nodes[0], [], 0, 0, 64)

    def test_checkpoints_bring_back_a_frame(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        node = rig.nodes[0]
        rig.setup.scrub_words = 64
        golden = Golden("sha256", SEED)
        rig.load(node)
        states: dict[int, int] = {}
        for frame in range(10):
            golden.step()
            states[frame] = golden.state_digest
            if frame == 9:  # a flipped bit of the newest copy is corrected
                assert rig.arm(node, Arm(1, 9, "checkpoint", "bit", tick=3, bit=777)) is None
            assert is_golden(one(rig, frame, golden.input), golden)
            if frame in (3, 7):
                assert rig.checkpoint([node], Sync(frame, states[frame])) == [(node, HIL_OK)]
        assert report_of(rig, node, 1).verified
        assert rig.health([node])["n0"].corrected == 1
        for kept in (7, 3):  # both generations
            rig.restore(node, Sync(kept, states[kept]))
            for frame in range(kept + 1, 10):
                result = one(rig, frame, golden.input_of(frame))
                assert result.state_digest == states[frame]

    def _kept(self, make_rig: MakeRig) -> tuple[Rig, Node, Golden]:
        """A board that has just kept a copy of its state after frame 0, and scrubs all of it."""
        rig = make_rig("sha256")
        node, golden = rig.nodes[0], Golden("sha256", SEED)
        rig.setup.scrub_words = 64
        rig.load(node)
        golden.step()
        assert is_golden(one(rig, 0, golden.input), golden)
        assert rig.checkpoint([node], Sync(0, golden.state_digest)) == [(node, HIL_OK)]
        return rig, node, golden

    def test_check_bits_are_those_of_the_kept_state_and_one_wrong_one_is_put_right(
        self, make_rig: MakeRig
    ) -> None:
        rig, node, golden = self._kept(make_rig)
        kept, words = golden.state, golden.workload.state_len // 8
        agreed, rng = Sync(0, golden.state_digest), random.Random(SEED)
        for frame in range(1, 30):
            bit = 8 * words - 1 if frame == 1 else rng.randrange(8 * words)
            assert (
                rig.arm(node, Arm(frame, frame, "check-bits", "bit", bit=bit, exact=True)) is None
            )
            golden.step()
            assert is_golden(one(rig, frame, golden.input), golden)
            told = report_of(rig, node, frame)
            assert told.verified and told.changed
            assert (told.bit, told.space) == (bit, 8 * words)
            word = int.from_bytes(kept[bit // 8 * 8 : bit // 8 * 8 + 8], "little")
            assert told.before[0] == check_bits(word)  # the last one was put right, too
            assert told.after[0] == check_bits(word) ^ 1 << bit % 8
            assert rig.health([node])["n0"].corrected == frame
        assert rig.health([node])["n0"].uncorrected == 0
        rig.restore(node, agreed)
        assert digest(read_state(rig, node, len(kept))) == agreed.state_digest

    def test_two_wrong_check_bits_of_a_word_are_seen_and_the_state_is_acquitted(
        self, make_rig: MakeRig
    ) -> None:
        rig, node, golden = self._kept(make_rig)
        agreed = Sync(0, golden.state_digest)
        arm = Arm(1, 1, "check-bits", "adjacent", width=2, bit=8 * 5 + 3, exact=True)
        assert rig.arm(node, arm) is None
        golden.step()
        assert is_golden(one(rig, 1, golden.input), golden)
        told = report_of(rig, node, 1)
        assert told.verified and told.before[0] ^ told.after[0] == 3 << 3
        health = rig.health([node])["n0"]
        assert health.corrected == 0 and health.uncorrected > 0
        rig.restore(node, agreed)
        state = read_state(rig, node, golden.workload.state_len)
        assert digest(state) == agreed.state_digest

    def test_there_are_no_check_bits_before_there_is_a_checkpoint(self, make_rig: MakeRig) -> None:
        rig = make_rig("attitude")
        golden = Golden("attitude", SEED)
        golden.step()
        assert rig.arm(rig.nodes[0], Arm(1, 0, "check-bits", "bit", bit=0)) is None
        assert is_golden(one(rig, 0, golden.input), golden)
        assert report_of(rig, rig.nodes[0], 1).state == "missed"

    # --- the agent's own memory -----------------------------------------------------------------

    def test_the_bit_of_the_agent_that_is_flipped_is_the_bit_that_is_read_back(
        self, make_rig: MakeRig
    ) -> None:
        rig = make_rig("attitude")
        rig.requests.timing = replace(rig.requests.timing, busy_us=1_000_000)
        node, golden, rng = rig.nodes[0], Golden("attitude", SEED), random.Random(SEED)
        bits = 8 * lib.agent_memory_len()
        seen, told_after_reset, frame = 0, 0, 0
        for id_ in range(1, 200):
            bit = rng.randrange(bits)
            assert (
                rig.arm(node, Arm(id_, frame, "agent", "bit", tick=3, bit=bit, exact=True)) is None
            )
            golden.step()
            result = one(rig, frame, golden.input)
            if result.status == SILENT:  # what hit it, it says in its next life
                rig.reset(node)
            told = rig.report(node, id_)
            assert told is not None and told.state == "injected" and told.verified
            assert (told.bit, told.space) == (bit, bits)
            assert told.before[0] ^ told.after[0] == 1 << bit % 8
            seen += 1
            if is_golden(result, golden):
                frame += 1
                continue
            told_after_reset += result.rebooted or result.status == SILENT
            rig.reset(node)
            golden, frame = Golden("attitude", SEED), 0
        assert seen == 199

    def test_an_agent_with_damaged_memory_restarts_and_reports_the_upset(
        self, make_rig: MakeRig
    ) -> None:
        """A word of ones in every place: an index or a length among them is beyond its array."""
        rig = make_rig("attitude")
        rig.requests.timing = replace(rig.requests.timing, busy_us=1_000_000)
        node, golden = rig.nodes[0], Golden("attitude", SEED)
        golden.step()
        size, rebooted = lib.agent_memory_len(), 0
        for at in (*range(32, 64, 8), *range(size - 160, size - 8, 8)):
            arm = Arm(
                at, 0, "agent", "random_word", width=64, value=2**64 - 1, bit=8 * at, exact=True
            )
            assert rig.arm(node, arm) is None
            result = one(rig, 0, golden.input)
            if result.status == SILENT:
                rig.reset(node)
            told = rig.report(node, at)
            assert told is not None and told.state == "injected" and told.verified
            assert told.after == b"\xff" * 8
            rebooted += result.rebooted
            rig.reset(node)
            assert is_golden(one(rig, 0, golden.input), golden)
            rig.reset(node)
        assert rebooted > 0

    def test_a_bit_beyond_the_agents_memory_is_not_hit(self, make_rig: MakeRig) -> None:
        rig = make_rig("attitude")
        node, golden = rig.nodes[0], Golden("attitude", SEED)
        golden.step()
        bits = 8 * lib.agent_memory_len()
        assert rig.arm(node, Arm(1, 0, "agent", "bit", bit=bits, exact=True)) is None
        assert is_golden(one(rig, 0, golden.input), golden)
        told = report_of(rig, node, 1)
        assert (told.state, told.space) == ("failed", bits)
        assert rig.arm(node, Arm(2, 1, "agent", "stuck", bit=0)) is not None

    def test_a_state_that_nobody_agreed_on_is_not_kept(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        node = rig.nodes[0]
        golden = Golden("sha256", SEED)
        golden.step()
        assert is_golden(one(rig, 0, golden.input), golden)
        agreed = Sync(0, golden.state_digest ^ 1)
        assert rig.checkpoint([node], agreed) == [(node, HIL_ERR_DAMAGED)]
        with pytest.raises(NodeError, match="RESTORE"):
            rig.restore(node, agreed)
        golden.step()
        assert is_golden(one(rig, 1, golden.input), golden)

    # --- a bad line -----------------------------------------------------------------------------

    @pytest.mark.parametrize("direction", Direction)
    @pytest.mark.parametrize("kind", LinkNoiseKind)
    def test_link_noise_costs_time_but_no_result(
        self, make_rig: MakeRig, kind: LinkNoiseKind, direction: Direction
    ) -> None:
        rig = make_rig("sha256", nodes=2)
        golden = Golden("sha256", SEED)
        node = rig.nodes[0]
        rng = random.Random(f"{kind} {direction}")
        destroyed = 0
        for frame in range(25):
            golden.step()
            noise = LinkNoise(kind, direction, rng.getrandbits(63))
            node.link.noises = [noise]
            results = rig.step(rig.nodes, frame, golden.input)
            assert noise.done
            assert noise.position == noise.bit % noise.space
            if kind is LinkNoiseKind.CORRUPT:
                assert (noise.before[0] ^ noise.after[0]).bit_count() == 1
            assert all(is_golden(r, golden) for r in results.values()), noise
            # A frame that has lost no more than its last delimiter is complete when the next begins
            whole = kind is LinkNoiseKind.TRUNCATE and noise.position // 8 == noise.space // 8 - 1
            destroyed += kind is not LinkNoiseKind.DUPLICATE and not whole
        statistics = node.link.statistics
        assert statistics.retries >= destroyed, statistics
        assert destroyed >= (0 if kind is LinkNoiseKind.DUPLICATE else 23)
        good = rig.nodes[1].link.statistics
        assert (good.naks, good.rx_errors) == (0, 0)
        assert [h.steps for h in rig.health(rig.nodes).values()] == [25, 25]

    def test_one_byte_in_a_hundred_wrong_gives_no_wrong_result(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256", timing=Timing(retry_us=3_000, lost_after_us=20_000_000))
        golden = Golden("sha256", SEED)
        node = rig.nodes[0]
        rng = random.Random(SEED)
        assert node.link.transport is not None
        node.link.transport = FaultyTransport(node.link.transport, rng, byte_error=0.01)
        for frame in range(300):
            golden.step()
            assert is_golden(one(rig, frame, golden.input), golden), frame
        assert read_state(rig, node, golden.workload.state_len) == golden.state
        assert node.link.statistics.rx_errors > 50
        health = rig.health([node])["n0"]
        assert health.steps == 300
        assert health.rx_errors > 50

    def _exercise(self, rig: Rig, golden: Golden) -> None:
        """A bit of everything; raises AssertionError for any wrong result."""
        node = rig.nodes[0]
        length = golden.workload.state_len
        assert rig.load(node) == golden.state_digest
        for frame in range(2):
            golden.step()
            arm = Arm(frame, frame, "output", "bit", tick=golden.workload.ticks, bit=frame)
            assert rig.arm(node, arm) is None
            result = one(rig, frame, golden.input)
            assert (result.status, result.state_digest) == (DONE, golden.state_digest)
            report = rig.report(node, frame)
            assert report is not None and report.state == "injected" and report.bit == frame
        assert read_state(rig, node, length) == golden.state
        write(rig, node, 0, bytes(length))
        assert read_state(rig, node, length) == bytes(length)
        write(rig, node, 0, golden.state)
        rig.requests.ask(node, Msg.SYNC, sync_request(1, golden.state_digest))
        rig.restart(node)
        golden.step()
        assert is_golden(one(rig, 2, golden.input), golden)
        health = rig.health([node]).get("n0")
        assert health is not None and health.steps >= 3

    @pytest.mark.parametrize("fault", FAULTS)
    def test_whichever_operation_fails_all_comes_right(self, make_rig: MakeRig, fault: str) -> None:
        """Fail the Nth operation, for N = 1, 2, ... until none fails."""
        rig = make_rig("matmul", timing=Timing(retry_us=4_000, lost_after_us=5_000_000))
        node = rig.nodes[0]
        inner = node.link.transport
        assert inner is not None
        n = 0
        failed = True
        while failed:
            n += self.stride
            assert n < 500 * self.stride
            faulty = FaultyTransport(inner, random.Random(n), fail_at=n, fault=fault)
            node.link.transport = faulty
            try:
                self._exercise(rig, Golden("matmul", SEED))
                assert fault != "lost" or not faulty.failed
            except (LinkTimeout, AssertionError):
                if fault != "lost" or node.link.connected:
                    raise
            failed = faulty.failed
            if not node.link.connected:
                rig.connect(node)
                inner = node.link.transport
        assert n > 30

    def test_a_sequence_number_that_comes_again_writes_again(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        node = rig.nodes[0]
        state = bytearray(Golden("sha256", SEED).state)
        for offset, content in ((0, b"first"), (64, b"second")):
            call = WriteCall(node.link, 500, Region.STATE, offset, content)
            run_calls([call], rig.requests.timing)
            assert call.result == b""
            state[offset : offset + len(content)] = content
        assert read_state(rig, node, len(state)) == bytes(state)

    def test_answers_to_an_earlier_request_are_passed_over(self, make_rig: MakeRig) -> None:
        rig = make_rig("sha256")
        golden = Golden("sha256", SEED)
        node = rig.nodes[0]
        golden.step()
        stale = node.link.statistics.stale
        calls = [Call(node.link, rig.requests.next_seq(), Msg.HEALTH) for _ in range(5)]
        for call in calls:
            call.begin()  # asked, and nobody waits
        assert is_golden(one(rig, 0, golden.input), golden)
        assert node.link.statistics.stale == stale + 5

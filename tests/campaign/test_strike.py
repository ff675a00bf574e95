"""One experiment that is left where it stops: what it shows is what the experiment does, and
nothing of it stays."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.campaign.bench import HeldBoard, held_board
from hil.campaign.exact import effects_of
from hil.campaign.trace import Trace, counters_of, unpack_trace
from hil.errors import NodeError
from hil.record.campaign_rows import EFFECTS
from hil.rig.backends.process import ProcessBoard
from hil.scenario import Scenario
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site, Space, StrikeStop

pytestmark = pytest.mark.ptrace

FRAME = 3


@pytest.fixture(scope="module")
def board() -> Iterator[HeldBoard]:
    rig = {"scheme": "simplex", "board": "process"}
    scenario = Scenario.model_validate({"workload": "attitude", "frames": 10, "rig": rig})
    with held_board(scenario, 0, FRAME) as held:
        yield held


@pytest.fixture(scope="module")
def trace(board: HeldBoard) -> Trace:
    return unpack_trace(board.step.trace(), board.step.opened.gpr_count)


def outcome(board: HeldBoard, site: Site) -> tuple[NodeEffect, int]:
    effects, details = effects_of(board.step.run([site], severity=True))
    return EFFECTS[effects[0]], details[0]


def followed(board: HeldBoard, limit: int) -> list[int]:
    """The program counters from the upset on, as far as they are wanted."""
    counters: list[int] = []
    for counter in counters_of(board.step.trace_struck(), board.step.opened.gpr_count):
        counters.append(counter)
        if len(counters) == limit:
            break
    return counters


def random_site(board: HeldBoard, length: int, rng: random.Random) -> Site:
    o = board.step.opened
    space, first, size = rng.choice(
        [
            (Space.MEMORY, o.state_at, 64),
            (Space.MEMORY, o.input_at, 56),
            (Space.MEMORY, o.heap_at, 136),
            (Space.MEMORY, o.stack_at + o.stack_len - 128, 128),
            (Space.GPR, 0, o.gpr_count * o.gpr_bytes),
            (Space.VECTOR, 0, o.vector_bytes),
        ]
    )
    return Site(rng.randrange(length), space, first + rng.randrange(size), 1 << rng.randrange(8))


@pytest.mark.slow
def test_what_is_left_is_what_the_experiment_does(board: HeldBoard, trace: Trace) -> None:
    """Whatever is looked at, the experiment has the same outcome before and after; and its end has
    as many wrong bits, or the signal, that the outcome says."""
    rng = random.Random(8)
    o, golden = board.step.opened, board.golden
    seen: set[NodeEffect] = set()
    for _ in range(60):
        site = random_site(board, trace.length, rng)
        effect, detail = before = outcome(board, site)
        seen.add(effect)
        board.step.strike(site, StrikeStop.AT_UPSET)
        followed(board, rng.randrange(1, 200))
        if effect is not NodeEffect.HANG:
            struck = board.step.strike(site, StrikeStop.AT_END)
            assert struck.signal == (detail if effect is NodeEffect.CRASH else 0)
            if effect is not NodeEffect.CRASH:
                output = board.step.code(o.arena + o.output_at, len(golden.output))
                wrong = sum((a ^ b).bit_count() for a, b in zip(output, golden.output, strict=True))
                assert min(wrong, 255) == detail
        assert outcome(board, site) == before
    assert {NodeEffect.MASKED, NodeEffect.LATENT, NodeEffect.SDC, NodeEffect.CRASH} <= seen


def test_at_its_upset_one_bit_is_different_and_nothing_else(board: HeldBoard, trace: Trace) -> None:
    o = board.step.opened
    position = trace.length // 2
    beside = Site(position, Space.GPR, 0, 1)  # changes nothing of the memory
    outcome(board, beside)
    board.step.strike(beside, StrikeStop.AT_UPSET)
    before = board.step.code(o.arena + o.heap_at, 136)
    for byte in range(0, 136, 17):
        site = Site(position, Space.MEMORY, o.heap_at + byte, 1 << byte % 8)
        outcome(board, site)
        struck = board.step.strike(site, StrikeStop.AT_UPSET)
        after = board.step.code(o.arena + o.heap_at, 136)
        assert [
            (i, a ^ b) for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b
        ] == [(byte, site.mask)]
        assert (struck.pc, struck.signal, struck.fault) == (int(trace.pc[position]), 0, 0)


@pytest.mark.parametrize("part", [0, 0.3, 0.9])
def test_a_fault_that_nothing_reads_keeps_to_the_path(
    board: HeldBoard, trace: Trace, part: float
) -> None:
    position = int(part * trace.length)
    site = Site(position, Space.MEMORY, board.step.opened.heap_at + 1000, 1)
    assert outcome(board, site)[0] is NodeEffect.MASKED
    board.step.strike(site, StrikeStop.AT_UPSET)
    assert followed(board, 10 * trace.length) == trace.pc[position:].tolist()


def test_a_wild_jump_shows_where_it_goes(board: HeldBoard, trace: Trace) -> None:
    """Bit 37 of the program counter: nothing is there, and fetching from there is the fault."""
    o = board.step.opened
    for position in (0, 100, trace.length - 1):
        site = Site(position, Space.GPR, o.gpr_bytes * (o.gpr_count - 1) + 4, 0x20)
        assert outcome(board, site) == (NodeEffect.CRASH, signal.SIGSEGV)
        target = int(trace.pc[position]) ^ 1 << 37
        assert board.step.strike(site, StrikeStop.AT_UPSET).pc == target
        assert followed(board, 100) == [target]
        struck = board.step.strike(site, StrikeStop.AT_END)
        assert (struck.signal, struck.pc, struck.fault) == (signal.SIGSEGV, target, target)


def test_a_strike_is_refused_where_the_run_was_not(board: HeldBoard, trace: Trace) -> None:
    site = Site(50, Space.MEMORY, board.step.opened.heap_at, 1)
    outcome(board, site)
    for wrong in (
        site._replace(position=51),
        site._replace(byte=board.step.opened.heap_at - 1),
        Site(50, Space.VECTOR, board.step.opened.vector_bytes, 1),
    ):
        with pytest.raises(NodeError, match="CAMPAIGN_STRIKE"):
            board.step.strike(wrong, StrikeStop.AT_UPSET)
    board.step.strike(site, StrikeStop.AT_UPSET)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def tracer_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("TracerPid")))


def test_a_worker_for_a_debugger_is_stopped_untraced_and_ended_by_the_next_request(
    board: HeldBoard, trace: Trace
) -> None:
    site = Site(40, Space.MEMORY, board.step.opened.state_at, 1)
    before = outcome(board, site)
    struck = board.step.strike(site, StrikeStop.FOR_DEBUGGER)
    deadline = time.monotonic() + 10
    while state_of(struck.pid) != "T" and time.monotonic() < deadline:
        time.sleep(0.001)
    assert (state_of(struck.pid), tracer_of(struck.pid)) == ("T", 0)
    process = board.node.board
    assert isinstance(process, ProcessBoard)
    assert os.getpgid(struck.pid) == process.pid  # the terminal's Ctrl-C is not for it
    with pytest.raises(NodeError):
        board.step.run([site], severity=True)
    assert not Path(f"/proc/{struck.pid}").exists()
    board.hold_again()
    assert outcome(board, site) == before

"""What experiments come to beyond their effects, and what latent faults come to in the steps that
follow, against the same steps on this computer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hil.campaign.bench import HeldBoard, held_board
from hil.campaign.ending_reader import Wanted
from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
from hil.campaign.trace import unpack_trace
from hil.kernel import Golden, digest64
from hil.record.campaign_endings import FateWord, Severity
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import campaign_summary
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Detail, Site, Space
from hil.wire.outcomes import Differs, Fate, Outcome, endings

pytestmark = pytest.mark.ptrace

FRAME = 3
FOLLOW = 5
ALL = Detail.BITS | Detail.DIFFERS | Detail.OUTPUT | Detail.FATE
PORTABLE = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)


def scenario(workload: str) -> Scenario:
    rig = {"scheme": "simplex", "board": "process"}
    return Scenario.model_validate({"workload": workload, "frames": 20, "rig": rig})


@pytest.fixture(
    scope="module",
    params=[
        "attitude",
        pytest.param("infer", marks=pytest.mark.slow),
        pytest.param("sha256", marks=pytest.mark.slow),
    ],
)
def board(request: pytest.FixtureRequest) -> Iterator[HeldBoard]:
    with held_board(scenario(request.param), 0, FRAME) as held:
        held.follow(FOLLOW, restored=False)
        yield held


def golden_states(board: HeldBoard) -> list[tuple[bytes, bytes, bytes]]:
    """State before, output and state after the held step and those that follow."""
    golden = Golden(board.golden.workload.name, board.golden.seed)
    for _ in range(FRAME):
        golden.step()
    out = []
    for _ in range(FOLLOW + 1):
        before = golden.state
        golden.step()
        out.append((before, golden.output, golden.state))
    return out


def flipped(content: bytes, bit: int) -> bytes:
    out = bytearray(content)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def run_from(board: HeldBoard, frame: int, state: bytes, count: int) -> list[tuple[bytes, bytes]]:
    """Outputs and states of steps from any state, on this computer."""
    golden = Golden(board.golden.workload.name, board.golden.seed)
    golden.resume(frame, state)
    out = []
    for _ in range(count):
        golden.step()
        out.append((golden.output, golden.state))
    return out


def fate_on_the_host(
    board: HeldBoard, steps: list[tuple[bytes, bytes, bytes]], state: bytes
) -> tuple[Fate, int]:
    for number, (output, after) in enumerate(run_from(board, FRAME + 1, state, FOLLOW), start=1):
        if output != steps[number][1]:
            return Fate.SDC, number
        if after == steps[number][2]:
            return Fate.HEALED, number
    return Fate.LATENT, FOLLOW


def test_a_fault_before_the_step_ends_as_the_step_of_this_computer_does(board: HeldBoard) -> None:
    """Outcome, wrong output, what differs, and the fate, for faults of the state."""
    steps, rng = golden_states(board), random.Random(5)
    before, output, after = steps[0]
    bits = sorted({rng.randrange(8 * len(before)) for _ in range(150)})
    sites = [
        Site(0, Space.MEMORY, board.step.opened.state_at + bit // 8, 1 << bit % 8) for bit in bits
    ]
    found = []
    for at in range(0, len(sites), 50):
        outcomes = board.step.run(sites[at : at + 50], details=ALL)
        found += endings(outcomes, ALL, len(output))
    seen: Counter[Outcome] = Counter()
    for bit, ending in zip(bits, found, strict=True):
        ((wrong, state),) = run_from(board, FRAME, flipped(before, bit), 1)
        if ending.outcome is Outcome.FAILED:
            continue  # the host's kernel does not count CPU time
        difference = bytes(a ^ b for a, b in zip(output, wrong, strict=True))
        same = (wrong == output, state == after)
        expected = Outcome.SDC if not same[0] else Outcome.MASKED if same[1] else Outcome.LATENT
        assert ending.outcome is expected
        seen[expected] += 1
        if expected is Outcome.MASKED:
            continue
        assert ending.differs == (0 if same[0] else Differs.OUTPUT) | (
            0 if same[1] else Differs.STATE
        )
        assert ending.output == (b"" if same[0] else difference)
        wrong_bits = int.from_bytes(difference, "little").bit_count()
        assert ending.bits == min(255, wrong_bits)
        if not same[1]:
            assert (ending.fate, ending.fate_step) == fate_on_the_host(board, steps, state)
    assert seen.total() > 100


def test_a_latent_fault_of_the_end_comes_to_what_the_host_computes(board: HeldBoard) -> None:
    steps, rng = golden_states(board), random.Random(6)
    length = unpack_trace(board.step.trace(), board.step.opened.gpr_count).length
    state = steps[0][2]
    bits = [rng.randrange(8 * len(state)) for _ in range(120)]
    fates: Counter[Fate] = Counter()
    for bit in bits:
        site = Site(length, Space.MEMORY, board.step.opened.state_at + bit // 8, 1 << bit % 8)
        (ending,) = endings(board.step.run([site], details=ALL), ALL, len(steps[0][1]))
        assert ending.outcome is Outcome.LATENT
        expected = fate_on_the_host(board, steps, flipped(state, bit))
        assert (ending.fate, ending.fate_step) == expected
        fates[ending.fate] += 1
    assert fates[Fate.SDC] > 0
    assert digest64(state) == board.step.opened.state_digest


def test_a_state_that_is_put_right_is_healed_in_one_step(board: HeldBoard) -> None:
    board.follow(FOLLOW, restored=True)
    try:
        length = unpack_trace(board.step.trace(), board.step.opened.gpr_count).length
        site = Site(length, Space.MEMORY, board.step.opened.state_at, bytes=8)
        details = Detail.DIFFERS | Detail.FATE
        outcomes = board.step.run([site], details=details)
        for ending in endings(outcomes, details, len(board.golden.output)):
            assert ending.differs == Differs.STATE
            assert (ending.fate, ending.fate_step) == (Fate.HEALED, 1)
    finally:
        board.follow(FOLLOW, restored=False)


def test_details_change_no_outcome(board: HeldBoard) -> None:
    rng = random.Random(7)
    o = board.step.opened
    places = [(Space.MEMORY, o.state_at, 64), (Space.GPR, 0, 128), (Space.VECTOR, 0, 64)]
    sites = []
    for position in sorted(rng.randrange(1200) for _ in range(60)):
        space, first, size = places[rng.randrange(3)]
        sites.append(Site(position, space, first + rng.randrange(size)))
    plain, all_of_them = board.step.run(sites), board.step.run(sites, details=ALL)
    assert plain.codes == all_of_them.codes
    assert (plain.position, plain.path) == (all_of_them.position, all_of_them.path)
    assert board.step.run(sites, details=ALL) == all_of_them
    found = endings(all_of_them, ALL, len(board.golden.output))
    assert bytes(e.failure for e in found if e.outcome is Outcome.FAILED) == plain.details


@pytest.mark.slow
def test_a_result_file_has_severity_and_fates(tmp_path: Path) -> None:
    """Sums are those of the effects; the file is the same for any number of boards."""
    files = []
    for workers in (1, 2):
        path = tmp_path / f"{workers}.campaign"
        order = ExactOrder(
            scenario("attitude"),
            FRAME,
            PORTABLE,
            path,
            workers,
            wanted=Wanted(severity=True, follow=FOLLOW),
        )
        run_exact_campaign(order, lambda _: None, lambda _: None)
        files.append(path.read_bytes())
    assert files[0] == files[1]
    with CampaignFile(path) as file:
        summary = campaign_summary(file)
        for _, _, row in file.endings():
            errors = np.frombuffer(row.errors, dtype="<f4")
            for flags, error in zip(row.severity, errors, strict=True):
                assert bool(flags & Severity.ERROR_10) == (error > np.float32(0.1))
    for totals in (*summary.targets, summary.total):
        assert totals.fates.total() == totals.effects[NodeEffect.LATENT]
        sdc = totals.effects[NodeEffect.SDC]
        severity = totals.severity
        assert sdc >= severity[Severity.ERROR_1] >= severity[Severity.ERROR_10]
        assert severity[Severity.SDC_1] == 0
    assert summary.total.severity[Severity.ERROR_10] > 0
    assert {fate for fate, _ in summary.total.fates} >= {FateWord.SDC}

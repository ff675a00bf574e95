"""Exact campaigns on process boards: what is deduced is what happens, and a result is the same
whenever and however often it is made."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from hil.campaign.analysis import AnalysedStep, analyse
from hil.campaign.bench import HeldBoard, held_board
from hil.campaign.controls import check_controls, check_decoder
from hil.campaign.def_use import Area, classes_of
from hil.campaign.exact import ExactExperiments, effects_of
from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
from hil.campaign.outcome_keeper import OutcomeKeeper
from hil.campaign.progress import CampaignProgress
from hil.campaign.ranges import Range
from hil.campaign.regions import EXACT_TARGETS, abi_of
from hil.errors import LinkTimeout, RecordError, SetupError, UsageError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_journal import CampaignJournal, journal_path
from hil.record.campaign_rows import EFFECTS
from hil.record.campaign_summary import CampaignSummary, campaign_summary
from hil.rig.backends.process import ProcessBoard
from hil.rig.reservation import BenchInUse
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site

from ..amount import mostly_stress
from ..command_line import Hil
from ..emulated import possible
from ..rig.test_reservation import own_url, reserved_elsewhere

pytestmark = pytest.mark.ptrace
__all__ = ["possible"]

PORTABLE = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
FRAME = 3


def scenario(workload: str, board: str = "process") -> Scenario:
    rig = {"scheme": "simplex", "board": board}
    return Scenario.model_validate({"workload": workload, "frames": 10, "rig": rig})


def campaign(
    path: Path, workload: str, targets: tuple[UpsetTarget, ...] = PORTABLE, workers: int = 1
) -> Path:
    order = ExactOrder(scenario(workload), FRAME, targets, path, workers)
    run_exact_campaign(order, lambda _: None, lambda _: None)
    return path


def summary_of(path: Path) -> CampaignSummary:
    with CampaignFile(path) as file:
        return campaign_summary(file)


# --- pruned equals unpruned -----------------------------------------------------------------------


EMULATED = [pytest.mark.slow, pytest.mark.emulated]


@pytest.fixture(scope="module", params=["process", pytest.param("emulated", marks=EMULATED)])
def attitude(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[HeldBoard, AnalysedStep, tuple[Area, ...]]]:
    if request.param == "emulated":
        request.getfixturevalue("possible")
    with held_board(scenario("attitude", request.param), 0, FRAME) as board:
        step = analyse(board, EXACT_TARGETS)
        areas = classes_of(
            step.trace, step.code, step.plan.regions, board.step.opened.arena, abi_of(board.arch).sp
        )
        yield board, step, areas


def effects_at(board: HeldBoard, sites: list[Site]) -> list[NodeEffect]:
    """Carry out single experiments in any order of their positions."""
    order = sorted(range(len(sites)), key=lambda i: sites[i])
    effects: dict[int, NodeEffect] = {}
    for first in range(0, len(order), 64):
        part = order[first : first + 64]
        numbers, _ = effects_of(board.step.run([sites[i] for i in part], severity=True))
        effects.update((i, EFFECTS[n]) for i, n in zip(part, numbers, strict=True))
    return [effects[i] for i in range(len(sites))]


@pytest.mark.parametrize("target", EXACT_TARGETS)
def test_a_fault_does_what_the_experiment_of_its_class_does(
    attitude: tuple[HeldBoard, AnalysedStep, tuple[Area, ...]], target: UpsetTarget
) -> None:
    """Faults anywhere within classes, against those just before the access that ends them."""
    board, step, areas = attitude
    rng = random.Random(f"{target}")
    area = areas[[region.target for region in step.plan.regions].index(target)]
    region, classes = area.region, len(area.position)
    assert classes
    pointer = abi_of(board.arch).sp
    checked = 0
    for _ in range(2):
        pairs: list[tuple[Site, Site, bool]] = []
        for _ in range(200):
            number = rng.randrange(classes)
            end, byte = int(area.position[number]), int(area.byte[number])
            position = end - rng.randrange(int(area.weight[number]))
            if region.stack:  # of which only some of the class are faults of the target
                position = end
                low = int(step.trace.registers[position, pointer]) - board.step.opened.arena
                if region.first + byte < low:
                    continue
            mask = 1 << rng.randrange(8)
            place = region.first + byte
            here = Site(position, region.space, place, mask)
            pairs.append((here, here._replace(position=end), bool(area.read[number])))
        happened = effects_at(board, [raw for raw, _, _ in pairs])
        stands = effects_at(board, [pilot for _, pilot, _ in pairs])
        for pair, real, pilot in zip(pairs, happened, stands, strict=True):
            assert real is (pilot if pair[2] else NodeEffect.MASKED), pair
            checked += 1
    assert checked > 250


@pytest.mark.parametrize("target", EXACT_TARGETS)
def test_a_fault_that_nothing_reads_comes_to_what_is_deduced(
    attitude: tuple[HeldBoard, AnalysedStep, tuple[Area, ...]], target: UpsetTarget
) -> None:
    board, step, areas = attitude
    rng = random.Random(f"unread {target}")
    area = areas[[region.target for region in step.plan.regions].index(target)]
    region, count = area.region, len(area.unread_byte)
    start = int(step.trace.registers[0, abi_of(board.arch).sp]) - board.step.opened.arena
    sites: list[tuple[Site, NodeEffect]] = []
    for _ in range(700):
        number = rng.randrange(count)
        byte, weight = int(area.unread_byte[number]), int(area.unread_weight[number])
        position = step.plan.length - 1
        if not region.stack:
            position -= rng.randrange(weight)
        alive = region.stack and region.first + byte >= start
        deduced = NodeEffect.LATENT if alive else region.unread[byte]
        mask = 1 << rng.randrange(8)
        sites.append((Site(position, region.space, region.first + byte, mask), deduced))
    happened = effects_at(board, [site for site, _ in sites])
    assert happened == [deduced for _, deduced in sites]


def test_controls_are_judged_right(
    attitude: tuple[HeldBoard, AnalysedStep, tuple[Area, ...]],
) -> None:
    board, step, _ = attitude
    assert check_controls(board, step.plan.length) == 7
    assert check_decoder(board, step) > 1000


# --- known answers --------------------------------------------------------------------------------


def test_the_classes_are_those_that_another_tool_finds(tmp_path: Path) -> None:
    """valgrind's lackey, on the same sources, gives 3 424 experiments for `attitude`."""
    summary = summary_of(campaign(tmp_path / "a", "attitude"))
    assert summary.experiments == 3424
    for totals in (*summary.targets, summary.total):
        assert totals.effects.total() == totals.faults


@pytest.mark.slow
def test_sha256_shows_every_fault_that_is_read(tmp_path: Path) -> None:
    """A hash masks nothing: whatever is read changes output or state."""
    summary = summary_of(campaign(tmp_path / "s", "sha256"))
    assert summary.experiments == 51264
    with CampaignFile(tmp_path / "s") as file:
        for effects in file.weighted_effects().values():
            assert effects[NodeEffect.MASKED] == 0
            assert effects[NodeEffect.CRASH] == effects[NodeEffect.HANG] == 0


# --- the result file ------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_result_is_the_same_for_any_number_of_boards(tmp_path: Path) -> None:
    one, two = campaign(tmp_path / "1", "attitude"), campaign(tmp_path / "2", "attitude", workers=3)
    assert one.read_bytes() == two.read_bytes()
    assert not list(tmp_path.glob("*.part*"))
    with pytest.raises(UsageError, match="exists already"):
        campaign(one, "attitude")


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database")
    with pytest.raises(RecordError):
        CampaignFile(tmp_path / "text")


def _hil(*words: str) -> list[str]:
    return [sys.executable, "-m", "hil", *words]


@pytest.mark.parametrize("kills", mostly_stress([8, 50], keep=1, timeout_s=900))
def test_a_campaign_that_is_killed_continues_where_it_was(tmp_path: Path, kills: int) -> None:
    rng = random.Random(kills)
    (tmp_path / "s.yaml").write_text(
        "schema: 1\nworkload: attitude\nframes: 10\nrig: {scheme: simplex, board: process}\n"
    )
    words = _hil(
        "campaign", "s.yaml", "--exact", "--targets", "state,heap,vector", "--workers", "2"
    )
    undisturbed = subprocess.run(
        [*words, "--out", "whole", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(undisturbed.stdout)
    assert result["targets"]["all"]["faults"] > 0
    killed = 0
    for _ in range(20 * kills):
        with subprocess.Popen(
            [*words, "--out", "parts"], cwd=tmp_path, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            end = time.monotonic() + rng.uniform(0.5, 3.0)
            while killed < kills and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            if killed < kills and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.wait()
        if (tmp_path / "parts").exists():
            if killed == kills:
                break
            (tmp_path / "parts").unlink()  # it was faster than the kill: again
    assert killed == kills
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("victim", ["worker", "agent"])
def test_what_a_killed_worker_was_doing_is_done_again(tmp_path: Path, victim: str) -> None:
    """A worker is replaced; an agent that is gone ends the campaign, and nothing is lost."""

    def carried_out(name: str, kill: bool) -> list[tuple[int, bytes, bytes]]:
        with held_board(scenario("attitude"), 0, FRAME) as board:
            plan = analyse(board, PORTABLE).plan
            experiments = ExactExperiments(plan, board.step.opened, board.limit_us)
            with CampaignJournal(tmp_path / name, {}) as journal:
                victims = [board] if kill else []

                def report(progress: CampaignProgress) -> None:
                    if victims and progress.done > 1000:
                        os.kill(process_of(victims.pop(), victim), signal.SIGKILL)

                keeper = OutcomeKeeper(journal, plan.layout, report)
                dies = kill and victim == "agent"
                with pytest.raises(LinkTimeout) if dies else nullcontext():
                    experiments.carry_out(board, Range(0, plan.classes), keeper.keep, lambda: False)
                return journal.parts()

    whole, disturbed = carried_out("whole", kill=False), carried_out("disturbed", kill=True)
    assert disturbed == whole[: len(disturbed)]
    assert len(disturbed) == len(whole) if victim == "worker" else 1 < len(disturbed) < len(whole)


@pytest.mark.parametrize("other", ["path", "layout"])
def test_a_board_that_does_something_else_is_not_admitted(other: str) -> None:
    with held_board(scenario("attitude"), 0, FRAME) as board:
        step = analyse(board, PORTABLE)
        mine = ExactExperiments(step.plan, board.step.opened, board.limit_us)
        mine.admit(board)
        path = (*step.plan.path[:-1], step.plan.path[-1] ^ 1)
        theirs = (
            replace(mine, plan=replace(step.plan, path=path))
            if other == "path"
            else replace(mine, opened=replace(mine.opened, vector_bytes=64))
        )
        with pytest.raises(SetupError, match="does not walk the path of the fault-free step"):
            theirs.admit(board)
        mine.admit(board)


@pytest.mark.slow
def test_a_board_takes_over_the_limit_of_the_campaign() -> None:
    """So that a slower computer calls the same loops hangs."""
    with held_board(scenario("attitude"), 0, FRAME) as board:
        step = analyse(board, PORTABLE)
        limit_us = 10 * board.limit_us
        ExactExperiments(step.plan, board.step.opened, limit_us).admit(board)
        assert board.limit_us == limit_us
        assert check_controls(board, step.plan.length)


def process_of(board: HeldBoard, which: str) -> int:
    process = board.node.board
    assert isinstance(process, ProcessBoard)
    assert process.pid is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if which == "worker" else process.pid


def test_a_journal_of_another_campaign_is_refused(tmp_path: Path) -> None:
    with CampaignJournal(journal_path(tmp_path / "a"), {"plan": "another"}):
        pass
    with pytest.raises(RecordError, match="of another campaign"):
        campaign(tmp_path / "a", "attitude")


def test_a_journal_that_another_campaign_writes_is_left_alone(tmp_path: Path) -> None:
    path = journal_path(tmp_path / "a")
    with CampaignJournal(path, {"plan": "one"}) as journal:
        with pytest.raises(RecordError, match="another campaign is writing it"):
            CampaignJournal(path, {"plan": "one"})
        journal.add(0, b"\0" * 8, b"\0" * 8)
    with CampaignJournal(path, {"plan": "one"}) as journal:
        assert journal.parts() == [(0, b"\0" * 8, b"\0" * 8)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--targets", "text"), "`text` is none of them"),
        (("--targets", "state,state"), "names each at most once"),
        (("--frame", "10"), "has 10 frames"),
        (("--out", "no/such/file"), "no folder no/such"),
        ((), ""),
    ],
)
def test_a_wrong_command_line_is_one_message(
    hil: Hil, words: tuple[str, ...], message: str
) -> None:
    hil.write(
        "s.yaml",
        "schema: 1\nworkload: attitude\nframes: 10\nrig: {scheme: simplex, board: inproc}\n",
    )
    ended = hil("campaign", "s.yaml", "--exact", *words)
    expected = message or "not possible on node"
    assert expected in ended.err
    assert ended.code == (2 if message else 3)
    assert not list(hil.cwd.glob("*.campaign*"))


def test_a_board_that_somebody_has_reserved_is_not_touched(tmp_path: Path) -> None:
    port = own_url()
    node = {"name": "a", "board": "serial", "port": port}
    rig = {"scheme": "simplex", "nodes": [node]}
    real = Scenario.model_validate({"workload": "attitude", "frames": 10, "rig": rig})
    order = ExactOrder(real, FRAME, PORTABLE, tmp_path / "a", 1)
    with reserved_elsewhere(port), pytest.raises(BenchInUse, match="/runs/theirs"):
        run_exact_campaign(order, lambda _: None, lambda _: None)


def test_a_board_without_a_process_cannot_hold_a_step(tmp_path: Path) -> None:
    rig = {"scheme": "simplex", "board": "inproc"}
    inproc = Scenario.model_validate({"workload": "attitude", "frames": 10, "rig": rig})
    order = ExactOrder(inproc, FRAME, PORTABLE, tmp_path / "a", 1)
    with pytest.raises(SetupError, match="not possible on node"):
        run_exact_campaign(order, lambda _: None, lambda _: None)

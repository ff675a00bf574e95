"""Sampled campaigns on process boards: outcomes are those of the exact mode, intervals hold what
they promise, and a result is the same whenever and however often it is made."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from hil.analysis.intervals import Stratum, stratified, wilson
from hil.analysis.sample_summary import SampleSummary, sample_summary
from hil.campaign.analysis import AnalysedStep, analyse
from hil.campaign.bench import HeldBoard, HeldBoards, held_board
from hil.campaign.board_samples import survey_board
from hil.campaign.def_use import Area, classes_of
from hil.campaign.exact import effects_of
from hil.campaign.executor import RangeOutcomes
from hil.campaign.fault_list import read_faults
from hil.campaign.fault_space import FaultSpace
from hil.campaign.local import LocalExecutor
from hil.campaign.part import CampaignPart
from hil.campaign.progress import CampaignProgress
from hil.campaign.ranges import Range
from hil.campaign.regions import EXACT_TARGETS, abi_of
from hil.campaign.sample_stages import SampleStages, Sampling, StageOutcomes
from hil.campaign.sampled_campaign import SampledOrder, draw_list, run_sampled_campaign
from hil.campaign.sampling import FaultTable, draw
from hil.errors import ConfigError, RecordError, UsageError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_journal import CampaignJournal, journal_path
from hil.record.campaign_merge import merge_campaigns
from hil.record.campaign_rows import EFFECTS, SampleRow
from hil.rig.backends.process import ProcessBoard
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect

from ..command_line import Done, Hil
from ..emulated import possible

pytestmark = pytest.mark.ptrace
__all__ = ["possible"]

PORTABLE = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
FRAME = 3
BITS = 8


def scenario(workload: str = "attitude", board: str = "process") -> Scenario:
    rig = {"scheme": "simplex", "board": board}
    return Scenario.model_validate({"workload": workload, "frames": 20, "rig": rig})


def sampling(
    most: int | None = 200, precision: float | None = None, *, in_proportion: bool = False
) -> Sampling:
    return Sampling(7, most, precision, 0.95, NodeEffect.SDC, in_proportion)


def order(
    path: Path,
    how: Sampling | None = None,
    *,
    frames: tuple[int, ...] = (FRAME,),
    targets: tuple[UpsetTarget, ...] = PORTABLE,
    workers: int = 1,
    board: str = "process",
) -> SampledOrder:
    chosen = how or sampling()
    return SampledOrder(scenario(board=board), frames, targets, chosen, None, path, workers)


def carried_out(what: SampledOrder) -> SampleSummary:
    run_sampled_campaign(what, lambda _: None, lambda _: None)
    with CampaignFile(what.result) as file:
        return sample_summary(file)


def samples(path: Path) -> list[SampleRow]:
    with CampaignFile(path) as file:
        return list(file.samples())


# --- outcomes are those of the exact mode -----------------------------------------------------


class ExactEffects:
    """The effect of every single-bit fault of a step, by the exact mode's analysis and its
    experiments: one number of `EFFECTS` for each moment, byte and bit."""

    def __init__(self, board: HeldBoard, targets: tuple[UpsetTarget, ...]) -> None:
        step = analyse(board, targets)
        self.length = step.plan.length
        sp = abi_of(board.arch).sp
        areas = classes_of(step.trace, step.code, step.plan.regions, board.step.opened.arena, sp)
        effects = b"".join(
            effects_of(board.step.run(batch.sites, severity=True))[0]
            for batch in step.plan.batches(0, step.plan.classes)
        )
        by_class = np.frombuffer(effects, np.uint8).reshape(-1, BITS)
        top = int(step.trace.registers[0, sp]) - board.step.opened.arena
        self.of = [self._area(step, n, area, by_class, top) for n, area in enumerate(areas)]

    def _area(
        self, step: AnalysedStep, number: int, area: Area, by_class: npt.NDArray[np.uint8], top: int
    ) -> npt.NDArray[np.uint8]:
        region, length = area.region, step.plan.length
        unread = [
            NodeEffect.LATENT if region.stack and region.first + byte >= top else effect
            for byte, effect in enumerate(region.unread)
        ]
        codes = np.array([EFFECTS.index(effect) for effect in unread], np.uint8)
        table = np.broadcast_to(codes[:, None], (length, len(codes), BITS)).copy()
        mine = np.flatnonzero(step.plan.region == number)
        found = {(int(step.plan.position[i]), int(step.plan.byte[i])): by_class[i] for i in mine}
        ends = sorted(
            zip(area.byte.tolist(), area.position.tolist(), area.read.tolist(), strict=True)
        )
        before, last = -1, -1
        for byte, end, read in ends:  # from the access before to the one that ends the class
            before = before if byte == last else -1
            table[before + 1 : end + 1, byte] = found[end, byte] if read else 0
            before, last = end, byte
        return table


@pytest.fixture(scope="module")
def exact() -> ExactEffects:
    with held_board(scenario(), 0, FRAME) as board:
        return ExactEffects(board, PORTABLE)


def test_each_sample_comes_to_what_the_exact_mode_says(exact: ExactEffects, tmp_path: Path) -> None:
    carried_out(order(tmp_path / "a", sampling(600)))
    rows = samples(tmp_path / "a")
    assert len(rows) == 600 * len(PORTABLE)
    for row in rows:
        assert row.effect is EFFECTS[exact.of[row.region][row.moment, row.byte, row.bit]], row


def test_the_faults_are_those_of_the_exact_mode() -> None:
    """Of each target as many, of the stack only what lies at or above its pointer."""
    with held_board(scenario(), 0, FRAME) as board:
        space = survey_board(board, (FRAME,), EXACT_TARGETS).space
        step = analyse(board, EXACT_TARGETS)
    sizes = [space.size(number) for number in range(len(EXACT_TARGETS))]
    assert sizes == [known.space for known in step.plan.deduced]
    assert min(sizes) > 0
    assert space.frames[0].counters.tolist() == step.trace.pc.tolist()


@pytest.mark.slow
def test_all_targets_are_sampled_over_several_frames(tmp_path: Path) -> None:
    how = order(tmp_path / "a", sampling(64), targets=EXACT_TARGETS, frames=(1, 2, 6))
    summary = carried_out(how)
    assert [target.samples for target in summary.targets] == [64] * len(EXACT_TARGETS)
    assert all(map(summary.seen, (NodeEffect.MASKED, NodeEffect.SDC, NodeEffect.CRASH)))
    rows = samples(tmp_path / "a")
    assert {row.frame for row in rows} == {1, 2, 6}
    assert [row.number for row in rows] == list(range(64 * len(EXACT_TARGETS)))


@pytest.mark.slow
def test_machine_code_is_sampled_and_put_back(tmp_path: Path) -> None:
    """A hit of it that changes nothing else stays there: it is latent, and never masked."""
    what = order(tmp_path / "a", sampling(300), targets=(UpsetTarget.TEXT, UpsetTarget.INPUT))
    summary = carried_out(what)
    text, inputs = summary.targets
    assert text.effects[NodeEffect.MASKED] == 0
    assert all(text.effects[e] for e in (NodeEffect.LATENT, NodeEffect.SDC, NodeEffect.CRASH))
    alone = carried_out(order(tmp_path / "b", sampling(300), targets=(UpsetTarget.INPUT,)))
    assert alone.targets[0].effects == inputs.effects
    with pytest.raises(UsageError, match="cannot all be enumerated"):
        analyse_text()


def analyse_text() -> None:
    with held_board(scenario(), 0, FRAME) as board:
        analyse(board, (UpsetTarget.TEXT,))


@pytest.mark.slow
@pytest.mark.emulated
@pytest.mark.usefixtures("possible")
def test_samples_of_an_emulated_board_come_to_what_the_exact_mode_says(tmp_path: Path) -> None:
    """aarch64; machine code, too, whose caches must follow."""
    targets = (*PORTABLE, UpsetTarget.TEXT)
    carried_out(order(tmp_path / "a", sampling(150), targets=targets, board="emulated"))
    rows = samples(tmp_path / "a")
    with held_board(scenario(board="emulated"), 0, FRAME) as board:
        exact = ExactEffects(board, PORTABLE)
    for row in rows[: 150 * len(PORTABLE)]:
        assert row.effect is EFFECTS[exact.of[row.region][row.moment, row.byte, row.bit]], row
    of_text = {row.effect for row in rows[150 * len(PORTABLE) :]}
    assert of_text >= {NodeEffect.LATENT, NodeEffect.SDC, NodeEffect.CRASH}
    assert NodeEffect.MASKED not in of_text


# --- intervals hold what they promise ---------------------------------------------------------


def counts_of(
    exact: ExactEffects, space: FaultSpace, table: FaultTable, effect: NodeEffect
) -> list[int]:
    """What a campaign on these faults counts: their effects are known."""
    counts = []
    for target, effects in enumerate(exact.of):
        rows = table.chosen(np.flatnonzero(table.target == target))
        counts.append(
            int((effects[rows.moment, rows.byte, rows.bit] == EFFECTS.index(effect)).sum())
        )
    return counts


@pytest.mark.parametrize("effect", [NodeEffect.SDC, NodeEffect.LATENT])
def test_intervals_hold_the_exact_share_as_often_as_they_say(
    exact: ExactEffects, effect: NodeEffect
) -> None:
    """Many campaigns, drawn as on a board, with the effects of the exact mode."""
    with held_board(scenario(), 0, FRAME) as board:
        space = survey_board(board, (FRAME,), PORTABLE).space
    campaigns, size, code = 400, 250, EFFECTS.index(effect)
    sizes = [space.size(target) for target in range(len(PORTABLE))]
    true = [float((effects == code).mean()) for effects in exact.of]
    in_all = sum(s * t for s, t in zip(sizes, true, strict=True)) / sum(sizes)
    hits = [0] * (len(PORTABLE) + 1)
    for seed in range(campaigns):
        table = draw(space, [size] * len(PORTABLE), seed, 0, 0)
        counts = counts_of(exact, space, table, effect)
        for target, count in enumerate(counts):
            hits[target] += true[target] in wilson(count, size, 0.95)
        strata = [Stratum(s, c, size) for s, c in zip(sizes, counts, strict=True)]
        hits[-1] += in_all in stratified(strata, 0.95).interval
    error = 3 * math.sqrt(0.95 * 0.05 / campaigns)
    assert min(hits) / campaigns > 0.95 - error


@pytest.mark.slow
def test_a_campaign_that_stops_by_itself_holds_the_exact_share(
    exact: ExactEffects, tmp_path: Path
) -> None:
    """Real ones, on a board. Six intervals of 99.9 %: it is a defect if one of them misses."""
    targets = PORTABLE[:3]
    for seed in range(2):
        how = Sampling(seed, None, 0.06, 0.999, NodeEffect.SDC, in_proportion=False)
        summary = carried_out(order(tmp_path / f"{seed}", how, targets=targets))
        assert summary.reached
        assert summary.samples < len(targets) * how.looks.sizes[-1], "it stopped early"
        for target, effects in zip(summary.targets, exact.of, strict=False):
            true = float((effects == EFFECTS.index(NodeEffect.SDC)).mean())
            assert true in target.estimate(NodeEffect.SDC).interval


def simulated(exact: ExactEffects, space: FaultSpace, how: Sampling) -> SampleStages:
    """A campaign with the effects of the exact mode, from its first look to its last."""
    stages = SampleStages(space, how)
    for table in stages.tables():
        effects = np.empty(len(table), np.uint8)
        for target, of in enumerate(exact.of):
            here = np.flatnonzero(table.target == target)
            rows = table.chosen(here)
            effects[here] = of[rows.moment, rows.byte, rows.bit]
        stages.add(table, StageOutcomes(effects, effects))
    return stages


@pytest.mark.slow
def test_targets_that_stop_by_themselves_hold_the_exact_shares(exact: ExactEffects) -> None:
    """Each stops at a look of its own, and all together are estimated from what each then has. Of
    the campaigns as many miss a share, of any target or of all, as they may; and it takes fewer
    experiments than if all targets had as many as the one that needs most."""
    with held_board(scenario(), 0, FRAME) as board:
        space = survey_board(board, (FRAME,), PORTABLE).space
    code, campaigns = EFFECTS.index(NodeEffect.SDC), 300
    sizes = [space.size(target) for target in range(len(PORTABLE))]
    true = [float((effects == code).mean()) for effects in exact.of]
    in_all = sum(s * t for s, t in zip(sizes, true, strict=True)) / sum(sizes)
    misses = [0] * (len(PORTABLE) + 1)
    saved = 0
    for seed in range(campaigns):
        how = Sampling(seed, None, 0.05, 0.9, NodeEffect.SDC, in_proportion=False)
        stages = simulated(exact, space, how)
        each = how.looks.each
        strata = stages.strata()
        for target, stratum in enumerate(strata):
            interval = wilson(stratum.count, stratum.total, each)
            assert interval.half_width <= 0.05
            misses[target] += true[target] not in interval
        misses[-1] += in_all not in stratified(strata, each).interval
        totals = [stratum.total for stratum in strata]
        saved += len(totals) * max(totals) - sum(totals)
    error = 3 * math.sqrt(0.1 * 0.9 / campaigns)
    assert max(misses) / campaigns < 0.1 + error
    assert saved > 0


# --- the result file --------------------------------------------------------------------------


@pytest.mark.slow
def test_the_result_is_the_same_for_any_number_of_boards(tmp_path: Path) -> None:
    one = order(tmp_path / "1", frames=(2, 5))
    two = order(tmp_path / "2", frames=(2, 5), workers=3)
    assert carried_out(one).samples == carried_out(two).samples == 200 * len(PORTABLE)
    assert one.result.read_bytes() == two.result.read_bytes()
    assert not list(tmp_path.glob("*.part*"))
    with pytest.raises(UsageError, match="exists already"):
        carried_out(one)


def test_a_file_without_samples_says_so(tmp_path: Path) -> None:
    how = order(tmp_path / "a", board="inproc")
    carried_out(how)
    with CampaignFile(how.result) as file:
        assert file.one_sample(3) == samples(how.result)[3]
        assert file.one_sample(10**6) is None
        meta = file.meta
    assert meta.sampling is not None
    assert meta.sampling.frames == "3"


@pytest.mark.parametrize("board", [pytest.param("process", marks=pytest.mark.slow), "inproc"])
def test_parts_merge_to_the_file_of_one(tmp_path: Path, board: str) -> None:
    """Machine code and registers too, whose parts have names."""
    targets = (*PORTABLE[:2], UpsetTarget.GPR, UpsetTarget.TEXT) if board == "process" else PORTABLE
    whole = order(tmp_path / "whole", sampling(60), frames=(2, 5), targets=targets, board=board)
    carried_out(whole)
    for number in (1, 2, 3):
        carried_out(replace(whole, result=tmp_path / f"{number}", part=CampaignPart(number, 3)))
    one, two, three = (tmp_path / f"{number}" for number in (1, 2, 3))
    assert merge_campaigns([three, one], tmp_path / "some").classes < 60 * len(targets)
    with CampaignFile(tmp_path / "some") as file:
        assert sample_summary(file).missing > 0
    merged = merge_campaigns([tmp_path / "some", two, one], tmp_path / "all")
    assert merged.classes == 60 * len(targets)
    assert (tmp_path / "all").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_part_of_a_campaign_that_looks_at_its_results_is_refused(tmp_path: Path) -> None:
    how = sampling(None, 0.05)
    part = replace(order(tmp_path / "a", how, board="inproc"), part=CampaignPart(1, 2))
    with pytest.raises(UsageError, match="all parts together decide"):
        carried_out(part)


class _Killed(Exception):
    pass


@pytest.mark.parametrize("board", [pytest.param("process", marks=pytest.mark.slow), "inproc"])
def test_a_campaign_that_is_interrupted_continues_where_it_was(tmp_path: Path, board: str) -> None:
    """It looks at its results twice, and is interrupted before and behind the first look."""
    how = Sampling(3, 512, 0.04, 0.95, NodeEffect.SDC, in_proportion=False)
    whole, parts = (
        order(tmp_path / n, how, frames=(2, 3), targets=PORTABLE[:2], board=board) for n in "wp"
    )
    carried_out(whole)
    for limit in (1, 200, 600):

        def report(progress: CampaignProgress, limit: int = limit) -> None:
            if progress.done >= limit:
                raise _Killed

        with pytest.raises(_Killed):
            run_sampled_campaign(parts, report, lambda _: None)
    assert journal_path(parts.result).exists()
    carried_out(parts)
    assert whole.result.read_bytes() == parts.result.read_bytes()


SCENARIO = "schema: 1\nworkload: attitude\nframes: 10\nrig: {scheme: simplex, board: process}\n"


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 50])
def test_a_killed_campaign_loses_and_repeats_nothing(hil: Hil, tmp_path: Path, kills: int) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    words = ("campaign", "s.yaml", "--sampled", "--samples", "2000", "--workers", "2")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert hil(*words, "--out", "whole").code == 0
    killed = tries = 0
    while killed < kills:
        tries += 1
        assert tries < 20 * kills
        journal = tmp_path / "parts.part"
        before = journal.stat().st_mtime_ns if journal.exists() else 0
        with hil.start(*words, "--out", "parts", **quiet) as process:
            end = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < end:
                log = tmp_path / "parts.part-wal"
                if log.exists() and log.stat().st_size and log.stat().st_mtime_ns > before:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                    break
                time.sleep(0.002)
            process.wait()
        (tmp_path / "parts").unlink(missing_ok=True)  # it was faster than the kill: again
    assert hil(*words, "--out", "parts").code == 0
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["worker", pytest.param("agent", marks=pytest.mark.slow)])
def test_a_board_that_dies_is_replaced(tmp_path: Path, victim: str) -> None:
    whole = tmp_path / "whole"
    carried_out(order(whole, sampling(300)))
    effects = bytearray(b"\xff" * 300 * len(PORTABLE))
    parts = 0
    with LocalExecutor(HeldBoards(scenario(), FRAME), 1, pinned=True) as executor:
        survey = executor.ask(lambda board: survey_board(board, (FRAME,), PORTABLE))
        faults = draw(survey.space, [300] * len(PORTABLE), 7, 0, 0)
        ordered = faults.chosen(faults.order)

        def keep(outcomes: RangeOutcomes) -> None:
            nonlocal parts
            parts += 1
            assert set(effects[outcomes.first : outcomes.first + outcomes.count]) == {0xFF}
            effects[outcomes.first : outcomes.first + outcomes.count] = outcomes.effects
            if parts == 2:
                os.kill(executor.ask(lambda board: process_of(board, victim)), signal.SIGKILL)

        units = [Range(0, len(ordered))]
        executor.carry_out(survey.experiments(ordered, 0), units, keep, lambda: False)
    by_number = {row.number: row.effect for row in samples(whole)}
    assert [EFFECTS[e] for e in effects] == [by_number[n] for n in ordered.number.tolist()]


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
        carried_out(order(tmp_path / "a", board="inproc"))


# --- lists of faults --------------------------------------------------------------------------


@pytest.mark.parametrize("board", [pytest.param("process", marks=pytest.mark.slow), "inproc"])
def test_a_list_has_the_faults_that_a_campaign_draws(tmp_path: Path, board: str) -> None:
    drawn = order(tmp_path / "drawn", frames=(1, 4), board=board)
    count = draw_list(tmp_path / "list", drawn, lambda _: None)
    carried_out(drawn)
    listed = read_faults(tmp_path / "list")
    again = SampledOrder(
        scenario(board=board), (1, 4), PORTABLE, drawn.sampling, listed, tmp_path / "again", 2
    )
    carried_out(again)
    assert count == len(listed.faults) == 200 * len(PORTABLE)
    assert samples(tmp_path / "again") == samples(tmp_path / "drawn")


def test_a_fault_that_there_is_not_is_named_before_anything_runs(tmp_path: Path) -> None:
    drawn = order(tmp_path / "drawn", sampling(1))
    draw_list(tmp_path / "list", drawn, lambda _: None)
    text = (tmp_path / "list").read_text()
    (tmp_path / "list").write_text(f"{text}9,3,state,64,0,1\n")
    listed = read_faults(tmp_path / "list")
    wrong = SampledOrder(scenario(), (FRAME,), PORTABLE, drawn.sampling, listed, tmp_path / "r", 1)
    with pytest.raises(ConfigError, match="list:12:1: byte 64: state has 64 bytes"):
        carried_out(wrong)
    assert not list(tmp_path.glob("r*"))


# --- the command ------------------------------------------------------------------------------


def campaign(hil: Hil, *words: str) -> Done:
    hil.write("s.yaml", SCENARIO)
    return hil("campaign", "s.yaml", *words)


def test_the_command_writes_a_list_and_carries_it_out(hil: Hil) -> None:
    here = ("--sampled", "--boards", "inproc", "--json")
    few = (*here, "--samples", "50")
    written = campaign(hil, *few, "--write-faults", "list")
    assert written.json == {"faults": "list", "count": 200}
    assert "exists already" in campaign(hil, *few, "--write-faults", "list").err
    assert "--samples with --faults" in campaign(hil, *few, "--faults", "list").err
    first = campaign(hil, *few).json
    second = campaign(hil, *here, "--faults", "list", "--out", "b").json
    assert first["targets"] == second["targets"]
    assert (first["draw_seed"], second["draw_seed"]) == (first["seed"], None)
    other = ("--seed", "7", "--out", "c")
    drawn = campaign(hil, *few, *other).json
    assert (drawn["draw_seed"], drawn["seed"]) == (7, first["seed"])
    assert f"(seed {first['seed']}, drawn with 7)" in hil("campaign", "c").out
    share = first["targets"]["state"]["shares"]["sdc"]
    low, high = share["interval"]
    assert low <= share["share"] <= high
    assert share["interval"] == list(wilson(share["count"], 50, 0.95))


@pytest.mark.slow
def test_the_command_prints_a_plan_and_runs_nothing(hil: Hil) -> None:
    plan = campaign(hil, "--sampled", "--plan", "--precision", "0.05")
    assert "385" in plan.out
    assert plan.code == 0
    assert not list(hil.cwd.glob("*.campaign*"))
    shown = campaign(hil, "--sampled", "--plan", "--json").json
    assert shown["targets"]["state"]["experiments"] == 9604
    assert shown["targets"]["state"]["without_replacement"] < 9604


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sampled", "--exact"), "which campaign?"),
        (("--sampled", "--frames", "8:12"), "has frames 0 to 9"),
        (("--sampled", "--precision", "5"), "it lies between 1e-06 and 0.5"),
        (("--sampled", "--precision", "1e-200"), "it lies between 1e-06 and 0.5"),
        (("--sampled", "--precision", "nan"), "it lies between 1e-06 and 0.5"),
        (("--sampled", "--precision", "0.00001"), "more than a campaign can have"),
        (("--sampled", "--samples", "99999999999"), "more than a campaign can have"),
        (("--sampled", "--confidence", "1e-17"), "it lies between 0.5 and 1"),
        (("--sampled", "--frames", "0:1000000000000"), "has frames 0 to 9"),
        (("--sampled", "--part", "1/2", "--precision", "0.1"), "all parts together decide"),
        (
            ("--scheme-proof", "--part", "1/2"),
            "--part is for exact campaigns and sampled campaigns",
        ),
        (("--sampled", "--outcome", "bang"), "is not an outcome"),
        (("--sampled", "--faults", "none"), "--faults none"),
        (("--sampled", "--boards", "inproc", "--targets", "gpr"), "does not exist on in-process"),
    ],
)
def test_a_wrong_command_line_is_one_message(
    hil: Hil, words: tuple[str, ...], message: str
) -> None:
    ended = campaign(hil, *words)
    assert message in ended.err
    assert ended.code == 2
    assert not list(hil.cwd.glob("*.campaign*"))

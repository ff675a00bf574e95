"""Proofs of redundancy schemes: their numbers are those of exact campaigns, and full runs end as
they say."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
from hil.campaign.proof_result import write_proof_result
from hil.campaign.scheme_answers import NodeFault, WrongAnswer
from hil.campaign.scheme_model import SchemeModel
from hil.campaign.scheme_proof import (
    Kind,
    NodeFaults,
    ProofOrder,
    fate_in_scheme,
    fault_of,
    prove_scheme,
)
from hil.campaign.scheme_runs import Confirmation, DrawnFault, confirm, draw_faults
from hil.campaign.voter_upsets import check_answers, host_upsets, recovery_upsets
from hil.engine.loop import Loop, RunSetup
from hil.engine.observers import FramesDone, RunObserver
from hil.errors import RecordError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import campaign_summary
from hil.record.null_recorder import NullRecorder
from hil.record.proof_file import read_proof
from hil.record.scheme_proof import HostFate, SchemeFate, SchemeProof
from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import Ballot, VoterUpset, vote, voter_fields
from hil.rig.node import CRASHED, DONE, HUNG, SILENT
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect, SystemOutcome
from hil.wire.outcomes import Differs, Fate, Outcome
from tests.command_line import Hil

PORTABLE = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
FRAME = 3


def scenario(scheme: str, workload: str = "attitude", board: str = "process") -> Scenario:
    return Scenario.model_validate(
        {
            "workload": workload,
            "frames": 30,
            "rig": {"scheme": scheme, "board": board},
            "timeouts": {"calibration_frames": 10},
        }
    )


@cache
def proof_of(
    scheme: str, targets: tuple[UpsetTarget, ...] = PORTABLE
) -> tuple[SchemeProof, list[NodeFaults]]:
    order = ProofOrder(scenario(scheme), FRAME, targets, 2)
    return prove_scheme(order, lambda *_: None, lambda _: None)


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> dict[UpsetTarget, Counter[NodeEffect]]:
    """What all faults come to on one node, by an exact campaign."""
    path = tmp_path_factory.mktemp("exact") / "a.campaign"
    order = ExactOrder(scenario("simplex"), FRAME, PORTABLE, path, 1)
    run_exact_campaign(order, lambda _: None, lambda _: None)
    with CampaignFile(path) as file:
        return {UpsetTarget(t.target): t.effects for t in campaign_summary(file).targets}


# --- proofs ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.ptrace
@pytest.mark.parametrize("scheme", ["tmr", "5mr"])
def test_a_majority_corrects_every_single_upset(
    scheme: str, effects: dict[UpsetTarget, Counter[NodeEffect]]
) -> None:
    proof, _ = proof_of(scheme)
    assert proof.holds
    assert len(proof.rows) == len(PORTABLE) * {"tmr": 3, "5mr": 5}[scheme]
    for row in proof.rows:
        effect, fates = effects[row.target], row.fates
        failed = sum(effect[e] for e in (NodeEffect.CRASH, NodeEffect.HANG, NodeEffect.DETECTED))
        assert fates[SchemeFate.NO_EFFECT] == effect[NodeEffect.MASKED]
        assert fates[SchemeFate.CORRECTED] == effect[NodeEffect.LATENT] + effect[NodeEffect.SDC]
        assert fates[SchemeFate.RECOVERED] == failed
        assert fates.total() == effect.total()
    assert proof.answers.right == proof.answers.answers > 1000


@pytest.mark.slow
@pytest.mark.ptrace
def test_a_pair_detects_and_computes_again(
    effects: dict[UpsetTarget, Counter[NodeEffect]],
) -> None:
    proof, _ = proof_of("dmr")
    assert proof.holds
    wrong = sum((effects[t] for t in PORTABLE), Counter())
    assert proof.total[SchemeFate.NO_EFFECT] == 2 * wrong[NodeEffect.MASKED]
    assert proof.total[SchemeFate.RECOVERED] == 2 * (wrong.total() - wrong[NodeEffect.MASKED])
    assert proof.answers.wrong == 0 < proof.answers.none


@pytest.mark.ptrace
def test_a_single_computer_lets_every_wrong_output_escape(
    effects: dict[UpsetTarget, Counter[NodeEffect]],
) -> None:
    """And those of its latent faults that become one in the steps that follow."""
    proof, _ = proof_of("simplex")
    assert not proof.holds
    wrong = sum((effects[t] for t in PORTABLE), Counter())
    later = proof.total[SchemeFate.ESCAPED] - wrong[NodeEffect.SDC]
    assert later + proof.total[SchemeFate.LATENT] <= wrong[NodeEffect.LATENT]
    assert later > 0
    assert proof.total.total() == wrong.total()


@pytest.mark.ptrace
@pytest.mark.parametrize(
    ("scheme", "count"),
    [
        pytest.param("tmr", 20, marks=pytest.mark.slow),
        pytest.param("dmr", 10, marks=pytest.mark.slow),
        pytest.param("simplex", 10, marks=pytest.mark.slow),
        pytest.param("5mr", 10, marks=pytest.mark.slow),
        pytest.param("dmr", 100, marks=[pytest.mark.stress, pytest.mark.timeout(7200)]),
        pytest.param("simplex", 100, marks=[pytest.mark.stress, pytest.mark.timeout(7200)]),
        pytest.param("tmr", 600, marks=[pytest.mark.stress, pytest.mark.timeout(7200)]),
        pytest.param("5mr", 200, marks=[pytest.mark.stress, pytest.mark.timeout(7200)]),
    ],
)
@pytest.mark.timeout(600)  # five nodes take minutes where other tests run beside it
def test_full_runs_end_as_proved(scheme: str, count: int) -> None:
    """Of all targets where there is time for them: to prove stack and registers takes a minute."""
    more = (UpsetTarget.STACK, UpsetTarget.GPR)
    _, found = proof_of(scheme, (*PORTABLE, *more)) if count > 10 else proof_of(scheme)
    ends = confirm(scenario(scheme), FRAME, draw_faults(found, count, 1), lambda *_: None)
    assert len(ends) == count
    assert [end.difference for end in ends if not end.agrees] == []


def confirmation(
    proved: tuple[SystemOutcome, SchemeFate], happened: tuple[SystemOutcome, SchemeFate]
) -> Confirmation:
    kind = Kind(Outcome.SDC, 0, Differs.OUTPUT | Differs.REST, Fate.SDC, 2)
    fault = DrawnFault("a", UpsetTarget.STACK, 5, 0, kind)
    return Confirmation(fault, proved, happened)


CORRECTED = (SystemOutcome.CORRECTED, SchemeFate.CORRECTED)
OUTVOTED = (SystemOutcome.CORRECTED, SchemeFate.OUTVOTED)
RECOVERED = (SystemOutcome.RECOVERED, SchemeFate.RECOVERED)
LATENT = (SystemOutcome.NO_EFFECT, SchemeFate.LATENT)
ESCAPED = (SystemOutcome.SDC_ESCAPED, SchemeFate.ESCAPED)
DEGRADED = (SystemOutcome.DEGRADED, SchemeFate.DEGRADED)


@pytest.mark.parametrize("proved", [CORRECTED, OUTVOTED, RECOVERED, LATENT])
@pytest.mark.parametrize("happened", [CORRECTED, RECOVERED, LATENT, ESCAPED, DEGRADED])
def test_a_run_ends_as_proved_only_where_the_fate_says_so(
    proved: tuple[SystemOutcome, SchemeFate], happened: tuple[SystemOutcome, SchemeFate]
) -> None:
    """Damage that the proof calls corrected must not come again."""
    open_ends = {OUTVOTED: (CORRECTED, RECOVERED), LATENT: (LATENT, CORRECTED, RECOVERED)}
    ends = open_ends.get(proved, (proved,))
    assert confirmation(proved, happened).agrees == (happened in ends)


@pytest.mark.parametrize(
    ("kind", "fate"),
    [
        # In the state: a resync puts it right.
        (Kind(Outcome.SDC, 0, Differs.OUTPUT | Differs.STATE, Fate.LATENT, 0), "corrected"),
        # Elsewhere in the worker: it showed once, and nobody knows whether it does again.
        (Kind(Outcome.SDC, 0, Differs.OUTPUT | Differs.REST, Fate.SDC, 2), "outvoted"),
        (Kind(Outcome.SDC, 0, Differs.OUTPUT | Differs.REST, Fate.LATENT, 4), "outvoted"),
        # It showed once, and what followed was as without the fault.
        (Kind(Outcome.SDC, 0, Differs.OUTPUT | Differs.REST, Fate.HEALED, 1), "corrected"),
        # It has not shown.
        (Kind(Outcome.LATENT, 0, Differs.REST, Fate.LATENT, 4), "latent"),
        # A crash ends that worker, also in a later step, of which a run says that it is an anomaly.
        (Kind(Outcome.LATENT, 0, Differs.REST, Fate.CRASH, 1), "recovered"),
        (Kind(Outcome.LATENT, 0, Differs.REST, Fate.CRASH, 3), "recovered"),
        (Kind(Outcome.LATENT, 0, Differs.REST, Fate.SDC, 3), "outvoted"),
    ],
)
def test_what_may_show_again_is_not_called_corrected(kind: Kind, fate: str) -> None:
    fault = fault_of(kind, UpsetTarget.STACK, voted=True)
    result = SchemeModel(scenario("tmr")).carry_out("b", fault)
    assert fate_in_scheme(result) is SchemeFate(fate)


# --- the answers of one node ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (WrongAnswer(DONE), SystemOutcome.NO_EFFECT),
        (WrongAnswer(DONE, output_right=False), SystemOutcome.CORRECTED),
        (WrongAnswer(DONE, state_right=False), SystemOutcome.CORRECTED),
        (WrongAnswer(DONE, output_right=False, state_right=False), SystemOutcome.CORRECTED),
        (WrongAnswer(DONE, ticks_right=False), SystemOutcome.RECOVERED),
        (WrongAnswer(CRASHED, 11), SystemOutcome.RECOVERED),
        (WrongAnswer(HUNG), SystemOutcome.RECOVERED),
        (WrongAnswer(SILENT), SystemOutcome.RECOVERED),
    ],
)
@pytest.mark.parametrize("node", ["a", "b", "c"])
def test_three_nodes_outvote_one_whatever_it_answers(
    answer: WrongAnswer, outcome: SystemOutcome, node: str
) -> None:
    model = SchemeModel(scenario("tmr", board="inproc"))
    fault = NodeFault(UpsetTarget.GPR, (answer,), in_state=True)  # can cause all of them
    result = model.carry_out(node, fault)
    assert (result.outcome, result.escaped, result.lost) == (outcome, 0, 0)
    assert result.restored


def test_no_answer_of_one_node_changes_what_two_deliver() -> None:
    for scheme, nodes in (("tmr", 3), ("5mr", 5)):
        check = check_answers(scenario(scheme, board="inproc"), 0x1234, 0x5678)
        assert check.right == check.answers
        assert check.answers == nodes * 6 * 3 * (6 + 128)
    pair = check_answers(scenario("dmr", board="inproc"), 0x1234, 0x5678)
    assert pair.wrong == 0 < pair.none
    single = check_answers(scenario("simplex", board="inproc"), 0x1234, 0x5678)
    assert single.wrong > 0


# --- the voter and recovery -----------------------------------------------------------------------


def test_the_fields_of_the_voter_are_all_of_it() -> None:
    for nodes in range(1, 8):
        fields = voter_fields(nodes)
        bits = [bit for _, first, size in fields for bit in range(first, first + size)]
        assert len(bits) == len(set(bits)) == 8 * (8 + 7 + 16 + 18 * nodes)


@pytest.mark.parametrize("decided", [False, True])
def test_a_hit_of_the_voter_is_what_the_field_says(decided: bool) -> None:
    """The hit value of a field is that of a vote with it; hit outputs of verdicts are read back."""
    right = Ballot(DONE, 0, 7, 9)
    for name, first, _ in voter_fields(3):
        for bit in (0, 5):
            upset = VoterUpset(first + bit, decided)
            if name == "node[1].output_digest":
                hit = vote(4, [right] * 3, 7, 7, upset=upset)
                other = vote(4, [right, Ballot(DONE, 0, 7 ^ 1 << bit, 9), right], 7, 7)
                assert (hit.kind == other.kind, hit.dissent == other.dissent) == (not decided,) * 2
                assert hit.delivered and hit.correct
            if name == "output" and decided:
                hit = vote(4, [right] * 3, 7, 7, upset=upset)
                assert hit.output == 7 ^ 1 << bit
                assert not hit.correct
            if name == "frame":
                assert vote(4, [right] * 3, 7, 7, upset=upset).frame == 4 ^ 1 << bit


def test_single_points_of_failure_of_the_host_are_named() -> None:
    """All of them by their fields: whatever is read before the decision is outvoted."""
    rows = {(row.part, row.field): row.bits for row in host_upsets(scenario("tmr", board="inproc"))}
    before, after = "voter, before it decides", "voter, its decision"
    for node in range(3):
        for part in ("status", "signal", "output_digest", "state_digest"):
            for stage in (before, after):
                bits = rows[stage, f"node[{node}].{part}"]
                assert bits.total() == bits[HostFate.HARMLESS]
    assert rows[after, "output"] == {HostFate.WRONG: 64}
    assert rows[after, "flags"][HostFate.LOST] == 1
    assert rows[before, "nodes"][HostFate.STOPS] > 0
    wrong = [key for key, bits in rows.items() if bits[HostFate.WRONG]]
    assert wrong == [(after, "output")]
    assert rows["recovery", "a.agreed"] == {HostFate.HARMLESS: 8}
    assert rows["recovery", "a.state"][HostFate.NODE_OUT] > 0


class _Tamperer(RunObserver):
    def __init__(self, tamper: object, frame: int) -> None:
        self.tamper, self.frame = tamper, frame
        self.loop: Loop | None = None
        self.wrong = self.lost = 0

    def on_frame(self, done: FramesDone) -> None:
        if done.verdict is not None:
            self.lost += not done.verdict.delivered
            self.wrong += done.verdict.delivered and not done.verdict.correct
        if done.next_frame == self.frame and self.loop is not None and callable(self.tamper):
            self.tamper(self.loop.controls.recovery)


@pytest.mark.slow
def test_hits_of_recovery_come_to_the_same_in_a_run(tmp_path: Path) -> None:
    """Every bit of it, in real runs of three boards without a process."""
    plan = scenario("tmr", board="inproc")
    rows = {row.field: row.bits for row in host_upsets(plan) if row.part == "recovery"}
    for field, tampers in recovery_upsets(["a", "b", "c"]):
        if field.startswith(("b.", "c.", "in_service.b", "in_service.c")):
            continue  # nodes are alike
        fates: Counter[HostFate] = Counter()
        for number, tamper in enumerate(tampers):
            folder = tmp_path / f"{field}.{number}"
            folder.mkdir()
            observer = _Tamperer(tamper, 10)
            setup = RunSetup(recorders=NullRecorder)
            loop = Loop(plan, folder, batch=False, observers=[observer], setup=setup)
            observer.loop = loop
            try:
                loop.run()
            except Exception:  # noqa: BLE001  (whatever it stops with)
                fates[HostFate.STOPS] += 1
                continue
            recovery = loop.controls.recovery
            voting = recovery.in_state(NodeState.VOTING) == ["a", "b", "c"]
            whole = voting and recovery.voters == 7 and len(recovery.in_service) == 3
            fate = HostFate.HARMLESS if whole else HostFate.NODE_OUT
            fate = HostFate.LOST if observer.lost else fate
            fates[HostFate.WRONG if observer.wrong else fate] += 1
        assert fates == rows[field], field


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.ptrace
@pytest.mark.parametrize(("scheme", "code"), [("tmr", 0), ("simplex", 1)])
def test_the_exit_code_says_whether_the_scheme_holds(hil: Hil, scheme: str, code: int) -> None:
    hil.write(
        "s.yaml",
        f"schema: 1\nworkload: attitude\nframes: 10\nrig: {{scheme: {scheme}, board: process}}\n",
    )
    words = ["campaign", "s.yaml", "--scheme-proof", "--targets", "state,output"]
    ended = hil(*words, "--confirm", "1", "--json")
    assert ended.code == code, ended.err
    proof = ended.json
    assert proof["result"] == f"s-{scheme}.proof"
    again = hil("campaign", proof["result"], "--json")
    assert (again.code, again.out) == (0, ended.out)
    twice = hil(*words)
    assert twice.code == 2
    assert "exists already" in twice.err
    assert proof["holds"] == (code == 0)
    assert (proof["fates"]["escaped"] == 0) == (code == 0)
    assert proof["runs"] == {"all": 1, "differences": [], "escapes": 0}
    assert sum(proof["fates"].values()) == proof["faults"]


@pytest.mark.ptrace
@pytest.mark.slow
def test_a_proof_that_is_interrupted_continues_and_its_file_is_the_same(tmp_path: Path) -> None:
    def order(name: str) -> ProofOrder:
        return ProofOrder(scenario("dmr"), FRAME, PORTABLE[:2], 2, result=tmp_path / name)

    def proof(name: str, halt_at: int) -> tuple[SchemeProof, list[NodeFaults]]:
        def report(done: int, _: int) -> None:
            seen.append(done)
            if halt_at and done >= halt_at:
                raise KeyboardInterrupt

        seen.clear()
        return prove_scheme(order(name), report, lambda _: None)

    seen: list[int] = []
    write_proof_result(tmp_path / "whole", *proof("whole", 0))
    requests, in_all = len(seen), seen[-1]
    for halt_at in (1000, in_all // 2):
        with pytest.raises(KeyboardInterrupt):
            proof("parts", halt_at)
        assert seen[-1] < in_all
    assert list(tmp_path.glob("parts.*.part"))
    write_proof_result(tmp_path / "parts", *proof("parts", 0))
    assert len(seen) < requests  # what was done is not done again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    assert read_proof(tmp_path / "parts").total == read_proof(tmp_path / "whole").total


@pytest.mark.ptrace
@pytest.mark.slow
def test_a_proof_does_not_continue_another(tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    order = ProofOrder(scenario("simplex"), FRAME, PORTABLE[2:], 1, result=tmp_path / "p")
    with pytest.raises(KeyboardInterrupt):
        prove_scheme(order, stop, lambda _: None)
    other = ProofOrder(scenario("simplex"), FRAME + 1, PORTABLE[2:], 1, result=tmp_path / "p")
    with pytest.raises(RecordError, match="of another campaign"):
        prove_scheme(other, stop, lambda _: None)


def test_a_file_that_is_no_proof_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database")
    with pytest.raises(RecordError):
        read_proof(tmp_path / "text")


def test_nothing_is_drawn_where_every_fault_is_known_without_an_experiment() -> None:
    """As of the output, which a step overwrites."""
    known = cast("NodeFaults", SimpleNamespace(plan=SimpleNamespace(classes=0)))
    assert draw_faults([known], 4, 1) == []

"""Proofs of schemes that do not only compare digests of several nodes: time redundancy, voters by
value, pairs and spares. And what a proof says beside the upsets of its nodes."""

from __future__ import annotations

import io
import itertools
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hil.campaign.link_upsets import link_upsets
from hil.campaign.proof_result import write_proof_result
from hil.campaign.scheme_answers import ModelVote, NodeFault, WrongAnswer
from hil.campaign.scheme_model import SchemeModel
from hil.campaign.scheme_proof import ProofOrder, fate_in_scheme, prove_scheme
from hil.campaign.scheme_runs import confirm, draw_faults
from hil.campaign.stubborn_nodes import stubborn_nodes
from hil.campaign.voter_upsets import check_answers, host_upsets
from hil.kernel import Golden
from hil.record.proof_file import read_proof
from hil.record.scheme_proof import (
    AnswerCheck,
    HostFate,
    HostRow,
    ProofRow,
    SchemeFate,
    SchemeProof,
)
from hil.rig.node import CRASHED, SILENT
from hil.scenario import Scenario, UpsetTarget
from hil.views.scheme_proof import proof_table
from hil.views.style import Glyphs

T = UpsetTarget
MID = {"kind": "mid_value", "tolerance": 0.001}
TOLERANT = {"kind": "tolerance", "tolerance": 0.001, "state": "ignore"}
FRAME = 3


def scenario(board: str = "inproc", **rig: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 30,
            "rig": {"board": board, **rig},
            "timeouts": {"calibration_frames": 10},
        }
    )


def golden_output(frame: int = FRAME) -> bytes:
    golden = Golden("attitude", 1)
    for _ in range(frame + 1):
        golden.step()
    return golden.output


def printed(proof: SchemeProof) -> str:
    """The table of a proof, its lines joined."""
    console = Console(width=200, file=io.StringIO(), force_terminal=False)
    with console.capture() as captured:
        console.print(proof_table(proof, Glyphs(ascii_only=True)))
    return " ".join(captured.get().split())


def fate_of(fault: NodeFault, node: str = "a", execution: int = 1, **rig: Any) -> SchemeFate:
    model = SchemeModel(scenario(**rig), golden_output())
    return fate_in_scheme(model.carry_out(node, fault, execution=execution))


# --- whole proofs, and full runs that end as they say ---------------------------------------------


@pytest.mark.slow
@pytest.mark.ptrace
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("rig", "targets", "runs"),
    [
        ({"scheme": "dual_execution"}, (T.INPUT,), 2),
        pytest.param(
            {"scheme": "tmr", "voter": MID}, (T.INPUT, T.OUTPUT), 8, marks=pytest.mark.slow
        ),
        *(
            pytest.param(rig, (T.STATE, T.INPUT, T.OUTPUT, T.HEAP), 60, marks=pytest.mark.stress)
            for rig in (
                {"scheme": "dual_execution"},
                {"scheme": "triple_execution"},
                {"scheme": "tmr", "voter": MID},
                {"scheme": "tmr", "voter": TOLERANT},
                {"scheme": "tmr", "hot_spares": 1},
                {"scheme": "tmr", "cold_spares": 1},
                {"scheme": "rotating_tmr"},
                {"scheme": "triple_pairs"},
                {"scheme": "priority_pairs"},
                {"scheme": "primary_monitors"},
                {"scheme": "triple_pairs", "voter": MID},
            )
        ),
    ],
)
def test_proofs_hold_and_full_runs_end_as_they_say(
    rig: dict[str, Any], targets: tuple[UpsetTarget, ...], runs: int
) -> None:
    plan = scenario("process", **rig)
    proof, found = prove_scheme(
        ProofOrder(plan, FRAME, targets, 2), lambda *_: None, lambda _: None
    )
    assert proof.holds and not proof.total[SchemeFate.ESCAPED]
    executions = plan.rig.scheme.executions
    assert len(proof.nodes) == plan.rig.size - plan.rig.on_stand_by
    for faults in found:
        of_node = Counter[SchemeFate]()
        for row in proof.rows:
            of_node.update(row.fates if row.node == faults.node else {})
        in_all = sum(kinds.total() for kinds in faults.faults.values())
        assert of_node.total() == executions * in_all, "each fault strikes in each execution"
    ends = confirm(plan, FRAME, draw_faults(found, runs, 1, executions), lambda *_: None)
    assert [end.difference for end in ends if not end.agrees] == []
    assert proof.hits_outside_nodes.total() > 1000
    text = printed(proof)
    assert f"{proof.stubborn.orders:,} orders of answers" in text
    assert "hits of voter, recovery and link in all" in text


# --- one node that executes a step several times --------------------------------------------------

WRONG = NodeFault(T.STATE, (WrongAnswer(output_right=False, state_right=False),), in_state=True)
DAMAGED = NodeFault(T.STACK, (WrongAnswer(output_right=False),) * 4, unsettled=True)
CRASH = NodeFault(T.GPR, (WrongAnswer(CRASHED, 11),))


@pytest.mark.parametrize("scheme", ["dual_execution", "triple_execution"])
def test_one_wrong_execution_is_corrected_and_a_crash_recovered(scheme: str) -> None:
    for execution in (1, 2, 3)[: 2 if scheme == "dual_execution" else 3]:
        corrected = fate_of(WRONG, execution=execution, scheme=scheme)
        assert corrected is SchemeFate.CORRECTED
        assert fate_of(CRASH, execution=execution, scheme=scheme) is SchemeFate.RECOVERED


@pytest.mark.parametrize("scheme", ["dual_execution", "triple_execution"])
def test_worker_that_is_wrong_alike_in_two_executions_is_not_detected(scheme: str) -> None:
    """The single point of failure of time redundancy, stated rather than hidden."""
    assert fate_of(DAMAGED, scheme=scheme) is SchemeFate.ESCAPED
    check = stubborn_nodes(SchemeModel(scenario(scheme=scheme)))
    assert check.escaped > 0


def test_every_answer_of_one_execution_of_three_is_outvoted() -> None:
    check = check_answers(scenario(scheme="triple_execution"), 0x1234, 0x5678)
    assert (check.wrong, check.answers) == (0, 3 * 6 * 3 * (6 + 128))
    # A node that is suspended or absent executes nothing more; any other fails once.
    assert check.right + check.none == check.answers and check.right > 100 * check.none


# --- voters by value ------------------------------------------------------------------------------


def test_wrong_outputs_with_which_a_voter_decides_alike_have_one_representative() -> None:
    right = golden_output()
    vote = ModelVote(scenario(scheme="tmr", voter=MID), right)
    kinds: dict[bytes, list[int]] = {}
    for bit in range(8 * len(right)):
        difference = (1 << bit).to_bytes(len(right), "little")
        kinds.setdefault(vote.representative(difference), []).append(bit)
    assert len(kinds) == 2, "within the tolerance, and beyond it"
    near, far = sorted(kinds.values(), key=lambda bits: bits[0])
    numbers = scenario(scheme="tmr", voter=MID).output_fields
    for bits, is_near in ((near, True), (far, False)):
        for bit in bits[::7]:
            changed = (int.from_bytes(right, "little") ^ 1 << bit).to_bytes(len(right), "little")
            apart = [
                abs(a - b)
                for field in numbers
                for a, b in zip(field.numbers(right), field.numbers(changed), strict=True)
            ]
            assert all(x <= 0.001 for x in apart) == is_near, bit


def test_small_error_has_no_effect_by_value_and_is_corrected_by_bytes() -> None:
    right = golden_output()
    small = bytes([right[0] ^ 1]) + right[1:]
    fault = NodeFault(T.OUTPUT, (WrongAnswer(output_right=False, output=small),), in_state=True)
    assert fate_of(fault, scheme="tmr", voter=MID) is SchemeFate.NO_EFFECT
    assert fate_of(fault, scheme="tmr") is SchemeFate.CORRECTED


def test_every_bit_of_the_output_of_one_node_is_put_to_a_voter_by_value() -> None:
    right = golden_output()
    check = check_answers(scenario(scheme="tmr", voter=MID), 0, 0, right)
    assert check.right == check.answers == 3 * (2 * (3 + 8 * len(right)) + 5)


# --- pairs and spares -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rig",
    [
        {"scheme": "tmr", "hot_spares": 1},
        {"scheme": "tmr", "cold_spares": 1},
        {"scheme": "triple_pairs"},
        {"scheme": "priority_pairs"},
        {"scheme": "primary_monitors"},
        {"scheme": "triple_pairs", "voter": MID},
        {"scheme": "tmr", "voter": TOLERANT},
    ],
)
def test_no_order_of_answers_of_one_node_lets_a_wrong_output_out(rig: dict[str, Any]) -> None:
    model = SchemeModel(scenario(**rig), golden_output())
    faults = [
        NodeFault(T.CPU, answers, stays=True)
        for answers in itertools.product(
            (WrongAnswer(output_right=False, state_right=False), WrongAnswer(SILENT)), repeat=2
        )
    ]
    for node, fault, fail in itertools.product(model.names[:3], faults, (False, True)):
        result = model.carry_out(node, fault, repairs_fail=fail)
        assert (result.escaped, result.lost) == (0, 0), (node, fault)
        assert not (fail and result.restored)


@pytest.mark.parametrize(
    ("frames", "of_primary"), [(1, SchemeFate.CORRECTED), (2, SchemeFate.ESCAPED)]
)
def test_only_a_fault_of_the_primary_escapes_and_only_from_patient_monitors(
    frames: int, of_primary: SchemeFate
) -> None:
    rig: dict[str, Any] = {"scheme": "primary_monitors", "monitors": {"frames": frames}}
    fates = [fate_of(WRONG, node, **rig) for node in "abc"]
    assert fates == [of_primary, SchemeFate.CORRECTED, SchemeFate.CORRECTED]


def test_cold_spare_takes_the_place_of_a_node_whose_repairs_fail() -> None:
    fault = NodeFault(T.CPU, (WrongAnswer(CRASHED, 11),) * 40, stays=True)
    without = SchemeModel(scenario(scheme="dmr"))
    with_spare = SchemeModel(scenario(scheme="dmr", cold_spares=1))
    lost = [m.carry_out("a", fault, repairs_fail=True).lost for m in (without, with_spare)]
    assert lost[0] > lost[1]


def test_board_that_rests_decides_when_the_other_two_never_agree_again() -> None:
    fault = NodeFault(T.CPU, (WrongAnswer(output_right=False, state_right=False),) * 40, stays=True)
    for node in "ab":
        pair = SchemeModel(scenario(scheme="dmr")).carry_out(node, fault, repairs_fail=True)
        third = SchemeModel(scenario(scheme="rotating_tmr")).carry_out(
            node, fault, repairs_fail=True
        )
        assert (pair.escaped, third.escaped) == (0, 0)
        assert pair.lost > 10 > third.lost == 1, "from the frame on in which the third is awake"


# --- the voter tripled, and the link --------------------------------------------------------------


def parts(rows: list[HostRow]) -> dict[str, Counter[HostFate]]:
    out: dict[str, Counter[HostFate]] = {}
    for row in rows:
        out.setdefault(row.part, Counter()).update(row.bits)
    return out


def test_no_hit_of_one_of_three_voters_has_an_effect_and_of_the_only_one_64_escape() -> None:
    rows = parts(host_upsets(scenario(scheme="tmr")))
    assert rows["voter, its decision"][HostFate.WRONG] == 64
    for part in ("one of three voters, before", "one of three, its decision"):
        assert rows[part] == {HostFate.HARMLESS: 680}


def test_a_field_of_which_no_hit_does_harm_is_not_listed_as_a_point_of_failure(
    tmp_path: Path,
) -> None:
    harmless = HostRow("recovery", "a.agreed", Counter({HostFate.HARMLESS: 8}))
    harmful = HostRow("recovery", "a.state", Counter({HostFate.NODE_OUT: 3}))
    fates = (ProofRow("a", T.INPUT, Counter({SchemeFate.CORRECTED: 1})),)
    host, answers = (harmless, harmful), AnswerCheck(1, 1, 0, 0)
    proof = SchemeProof("tmr", "attitude", 1, FRAME, "x", "x86_64", 1, 1, fates, answers, host)
    write_proof_result(tmp_path / "p", proof, [])
    text = printed(read_proof(tmp_path / "p"))  # a file has the counts that are 0, too
    assert "answer right: recovery: a.state (3 a node stays out)." in text


def test_every_single_hit_of_a_message_on_the_link_is_noticed() -> None:
    """CRC-32C detects all single errors; a bit that makes or removes a delimiter is one, too."""
    rows = parts(link_upsets(FRAME, golden_output()))
    assert set(rows["link"]) == {HostFate.REPEATED, HostFate.HARMLESS}
    assert rows["link"][HostFate.HARMLESS] == 2, "a message without its last delimiter"
    assert struct.calcsize("<Q") * 8 < rows["link"][HostFate.REPEATED]


def test_proof_without_a_count_of_stubborn_nodes_is_that_of_an_earlier_hil() -> None:
    check = check_answers(scenario(scheme="tmr"), 1, 2)
    old = SchemeProof("tmr", "attitude", 1, 3, "process", "x86_64", 5, 6, (), check, ())
    assert "orders of answers" not in printed(old)

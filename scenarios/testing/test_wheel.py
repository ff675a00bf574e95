"""Requirements on the computers that run wheel.c, as tests. Copy the folder, and change it.

`pytest` runs them on software boards, `pytest --hil-bench bench.yaml` on yours."""

import pytest

from hil.testing import repair, state, upset, verdict

pytestmark = pytest.mark.hil_scenario("wheel.yaml")


def test_undisturbed_computers_agree_in_every_frame(rig):
    rig.expect({"verdicts.unanimous": 600}, availability=1)


@pytest.mark.parametrize("byte", range(16))
def test_an_upset_of_any_byte_of_the_state_is_healed_at_once(rig, inject, byte):
    rig.step(50)
    hit = inject("b", "state", bit=8 * byte + 3)
    rig.await_sequence(
        upset("state", node="b"),
        verdict("majority", node="b"),
        repair("resync", node="b", ok=True),
        state("voting", node="b"),
        within_frames=1,
    )
    hit.await_outcome("corrected", within_frames=1)
    rig.step(50)
    rig.expect(sdc_escaped=0, availability=1)


@pytest.mark.hil_needs("power")
def test_the_torque_is_right_while_one_computer_is_without_power(rig, node):
    rig.forbid(verdict("no_majority"), verdict("no_quorum"))
    rig.step(50)
    node("c").cut_power(returns_after_frames=100)
    rig.await_verdict("isolated", node="c", within_frames=20)
    rig.await_verdict("voting", node="c", within_frames=200)
    rig.expect(sdc_escaped=0, availability=1)


@pytest.mark.hil_needs("cpu")
@pytest.mark.parametrize("sefi", ["crash", "hang"])
def test_a_computer_that_stops_is_back_within_100_frames(rig, node, sefi):
    rig.step(50)
    node("a").inject("cpu", sefi=sefi)
    rig.await_event(repair(node="a", ok=True), within_frames=5)
    rig.await_verdict("voting", node="a", within_frames=100)
    rig.expect(sdc_escaped=0)


def test_two_different_errors_in_one_frame_cost_no_frame(rig, inject, recording):
    rig.step(50)
    hits = [inject("a", "state", bit=3), inject("b", "state", bit=4)]
    rig.await_event(repair("rollback", ok=True), within_frames=1)
    for hit in hits:
        hit.await_outcome("recovered", within_frames=5)
    assert recording().frames["correct"][50]
    rig.expect(sdc_escaped=0, availability=1)

"""The recovery machine: its drawn table, edge by edge, and long random walks.

The table in the module's docstring is the specification: it is parsed here, and must name exactly
the edges that the machine takes.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from hil.redundancy.recovery import (
    RUNGS,
    THE_HOST_WAS_BUSY,
    Action,
    NodeState,
    Observation,
    Policy,
    RecoveryMachine,
)
from tests.redundancy.recovery_table import Edge, edges_of, table

S = NodeState
O = Observation  # noqa: E741 - as S
FIRST = {
    O.DISSENT: S.RESYNC,
    O.LATENT: S.RESYNC,
    O.CRASHED: S.RESTART,
    O.MISCOUNTED: S.RESTART,
    O.HUNG: S.RESTART,
    O.ABSENT: S.RESTART,
    O.REBOOTED: S.RESET,
    O.SUSPENDED: S.RESET,
    O.SILENT: S.POWER_CYCLE,
}
BAD = tuple(FIRST)


def policy(*attempts: int, window: int = 20, agreed: int = 3) -> Policy:
    return Policy(dict(zip(RUNGS, attempts, strict=True)), window, agreed)


def machine(*attempts: int, window: int = 20, agreed: int = 3) -> RecoveryMachine:
    return RecoveryMachine(["a"], policy(*attempts, window=window, agreed=agreed))


# --- single edges -------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", BAD)
def test_each_bad_frame_starts_at_its_own_rung(seen: Observation) -> None:
    r = machine(2, 2, 1, 1)
    assert r.observe(5, "a", seen) == [Action("a", FIRST[seen], seen.value)]
    assert r.state("a") is FIRST[seen]
    assert [(t.frame, t.before, t.after, t.cause) for t in r.transitions] == [
        (5, S.VOTING, S.SUSPECT, seen.value),
        (5, S.SUSPECT, FIRST[seen], seen.value),
    ]


def test_every_observation_has_a_rung_or_is_agreement() -> None:
    assert set(FIRST) | {O.AGREED} == set(Observation)


def test_agreement_moves_nothing() -> None:
    r = machine(2, 2, 1, 1)
    for frame in range(100):
        assert r.observe(frame, "a", O.AGREED) == []
    assert r.transitions == [] and r.state("a") is S.VOTING and r.settled


@pytest.mark.parametrize(
    ("seen", "after"),
    [(O.DISSENT, S.VOTING), (O.LATENT, S.VOTING)]
    + [(seen, S.REINTEGRATING) for seen in BAD if FIRST[seen] is not S.RESYNC],
)
def test_a_repair_that_worked_leads_to_voting_or_to_probation(
    seen: Observation, after: NodeState
) -> None:
    r = machine(2, 2, 1, 1)
    (action,) = r.observe(1, "a", seen)
    assert r.result(1, action, ok=True) == []
    assert r.state("a") is after
    assert r.settled == (after is S.VOTING)


def test_probation_ends_after_enough_agreements_in_a_row() -> None:
    r = machine(0, 9, 0, 0, agreed=3)
    (action,) = r.observe(0, "a", O.CRASHED)
    r.result(0, action, ok=True)
    for frame in (1, 2):
        r.observe(frame, "a", O.AGREED)
        assert r.state("a") is S.REINTEGRATING
    (action,) = r.observe(3, "a", O.CRASHED)  # so near: the count begins anew
    r.result(3, action, ok=True)
    for frame in (4, 5):
        r.observe(frame, "a", O.AGREED)
        assert r.state("a") is S.REINTEGRATING
    r.observe(6, "a", O.AGREED)
    assert r.state("a") is S.VOTING


def test_failing_repairs_climb_the_whole_ladder_in_order() -> None:
    r = machine(2, 3, 1, 2)
    actions = r.observe(0, "a", O.DISSENT)
    taken = []
    while actions:
        (action,) = actions
        taken.append(action.rung)
        actions = r.result(0, action, ok=False)
    assert taken == [S.RESYNC] * 2 + [S.RESTART] * 3 + [S.RESET] + [S.POWER_CYCLE] * 2
    assert r.state("a") is S.ISOLATED


def test_a_rung_with_no_attempts_is_skipped() -> None:
    r = machine(0, 0, 1, 0)
    assert r.observe(0, "a", O.DISSENT)[0].rung is S.RESET
    r = machine(0, 0, 0, 0)
    assert r.observe(0, "a", O.DISSENT) == []
    assert r.state("a") is S.ISOLATED


def test_attempts_are_forgotten_after_the_window_and_not_before() -> None:
    r = machine(1, 0, 0, 1, window=20)
    for frame in (0, 20, 40):
        (action,) = r.observe(frame, "a", O.DISSENT)
        assert action.rung is S.RESYNC
        r.result(frame, action, ok=True)
    assert r.observe(59, "a", O.DISSENT)[0].rung is S.POWER_CYCLE


def test_an_isolated_node_is_left_alone_until_power_returns() -> None:
    r = machine(0, 0, 0, 1)
    (action,) = r.observe(0, "a", O.SILENT)
    assert r.result(0, action, ok=False) == []
    before = list(r.transitions)
    for frame, seen in enumerate(Observation):
        assert r.observe(frame, "a", seen) == []
    assert r.transitions == before and r.state("a") is S.ISOLATED and r.settled
    assert r.on_power_restored(9, "a") == [Action("a", S.POWER_CYCLE, "power is back")]
    assert r.state("a") is S.POWER_CYCLE


def test_power_that_returns_to_a_node_in_service_changes_nothing() -> None:
    r = machine(1, 1, 1, 1)
    assert r.on_power_restored(1, "a") == []
    assert r.transitions == []


def test_nodes_do_not_share_attempts() -> None:
    r = RecoveryMachine(["a", "b"], policy(1, 0, 0, 0))
    for name in ("a", "b"):
        (action,) = r.observe(0, name, O.DISSENT)
        assert action == Action(name, S.RESYNC, "dissent")
        r.result(0, action, ok=True)
    r.observe(1, "a", O.DISSENT)
    assert (r.state("a"), r.state("b")) == (S.ISOLATED, S.VOTING)
    assert r.in_state(S.VOTING) == ["b"]


def test_what_the_operator_isolates_only_he_brings_back() -> None:
    r = machine(0, 1, 0, 1)
    r.isolate(5, "a", "operator 1")
    assert r.state("a") is S.ISOLATED and r.is_held("a") and r.settled and not r.voters
    assert r.observe(6, "a", O.SILENT) == [] and r.on_power_restored(7, "a") == []
    (action,) = r.reintegrate(8, "a", S.RESTART, "operator 2")
    assert action == Action("a", S.RESTART, "operator 2") and not r.is_held("a")
    assert r.result(8, action, ok=True) == [] and r.state("a") is S.REINTEGRATING
    assert [(t.frame, t.before, t.after, t.cause) for t in r.transitions] == [
        (5, S.VOTING, S.ISOLATED, "operator 1"),
        (8, S.ISOLATED, S.RESTART, "operator 2"),
        (8, S.RESTART, S.REINTEGRATING, "restart done"),
    ]


def test_bringing_back_has_all_attempts_and_no_other_node_moves() -> None:
    r = machine(0, 1, 0, 0)
    (action,) = r.observe(0, "a", O.CRASHED)
    r.result(0, action, ok=False)
    assert r.state("a") is S.ISOLATED and not r.is_held("a")
    r.isolate(1, "a", "operator 1")
    assert r.is_held("a") and len(r.transitions) == 3
    assert r.reintegrate(2, "a", S.RESTART, "operator 2")
    assert machine(1, 1, 1, 1).reintegrate(2, "a", S.RESTART, "operator 2") == []


def test_what_the_host_let_fall_out_of_step_uses_up_no_attempt() -> None:
    r = machine(1, 1, 1, 1)
    for frame in range(50):
        (action,) = r.resync_after_lateness(frame, "a", THE_HOST_WAS_BUSY)
        assert action.rung is S.RESYNC
        assert r.result(frame, action, ok=True) == []
        assert r.state("a") is S.VOTING
    assert r.observe(50, "a", O.LATENT)[0].rung is S.RESYNC, "its own attempts are all left"


def test_an_ordered_rung_needs_no_attempt_and_its_failure_climbs() -> None:
    r = machine(0, 0, 0, 1)
    (action,) = r.order(3, "a", S.RESET, "operator 1")
    assert action == Action("a", S.RESET, "operator 1") and r.state("a") is S.RESET
    assert r.result(3, action, ok=False) == [Action("a", S.POWER_CYCLE, "reset failed")]
    r.isolate(4, "a", "operator 2")
    assert r.order(5, "a", S.RESTART, "operator 3") == []


# --- walks --------------------------------------------------------------------------------------


@dataclass
class Walk:
    """Rules applied by chance to one machine; invariants are checked after every step.

    `tries` has (frame, rung) of every attempt since the power last returned, or the operator
    brought the node back; `held`: he isolated it.
    """

    seed: int
    rng: random.Random
    policy: Policy
    r: RecoveryMachine
    frame: int = 0
    agreed: int = 0
    held: bool = False
    shed: bool = False
    tries: list[tuple[int, NodeState]] = field(default_factory=list)
    edges: Counter[Edge] = field(default_factory=Counter)
    rules: list[str] = field(default_factory=list)

    def call(self, rule: str, on: str) -> None:
        """One rule, and everything that must hold after it."""
        before, seen = self.r.state("a"), len(self.r.transitions)
        self.rules.append(f"{self.frame}: {rule}")
        if rule == "power":
            if before is S.ISOLATED and not self.held and not self.shed:
                self.tries.clear()
            actions = self.r.on_power_restored(self.frame, "a")
        elif rule in ("isolate", "reintegrate", "order", "resync_after_lateness"):
            actions = self.operate(rule, before)
        elif rule == "shed":
            self.shed = True
            self.r.exclude(self.frame, "a", "battery at 40 %")
            actions = []
        elif rule == "restored":
            if self.shed and not self.held:
                self.tries.clear()
            self.shed = False
            first = self.rng.choice((S.RESYNC, S.POWER_CYCLE))
            actions = self.r.readmit(self.frame, "a", first, "power is back")
        elif rule == "returned":
            actions = self.r.on_reconnected(self.frame, "a")
        elif rule == "retry_isolated":
            kept_out = before is not S.ISOLATED or self.held or self.shed
            recent = any(self.frame - f < self.policy.window_frames for f, _ in self.tries)
            actions = self.r.retry_isolated(self.frame, "a")
            assert not (actions and (kept_out or recent))
        elif rule == "away":
            self.r.on_absent(self.frame, Action("a", before, "silent"))
            actions = []
        elif rule in ("ok", "failed"):
            action = Action("a", before, "")
            actions = self.r.result(self.frame, action, rule == "ok")
        else:
            actions = self.r.observe(self.frame, "a", Observation(rule))
        self.check(rule, before, actions)
        at = before
        for t in self.r.transitions[seen:]:
            assert t.before is at and t.after is not at and t.frame == self.frame and t.cause
            self.edges[Edge(t.before, t.after, on)] += 1
            at = t.after
        assert at is self.r.state("a")

    def operate(self, rule: str, before: NodeState) -> list[Action]:
        if rule == "isolate":
            self.held = True
            self.r.isolate(self.frame, "a", "operator 1")
            return []
        if rule == "order":
            return self.r.order(self.frame, "a", self.rng.choice((S.RESTART, S.RESET)), "operator")
        if rule == "resync_after_lateness":
            return self.r.resync_after_lateness(self.frame, "a", THE_HOST_WAS_BUSY)
        if before is S.ISOLATED:
            if not self.shed:
                self.tries.clear()
            self.held = False
        first = self.rng.choice((S.RESTART, S.POWER_CYCLE))
        return self.r.reintegrate(self.frame, "a", first, "operator 2")

    def check(self, rule: str, before: NodeState, actions: list[Action]) -> None:
        now = self.r.state("a")
        assert len(actions) <= 1
        for action in actions:
            assert action.rung is now and action.node == "a" and action.cause
            if rule not in (
                "order",
                "resync_after_lateness",
                "returned",
                "restored",
                "power",
            ):  # no attempt
                self.tries.append((self.frame, action.rung))
        recent = Counter(r for f, r in self.tries if self.frame - f < self.policy.window_frames)
        for rung in RUNGS:
            assert recent[rung] <= self.policy.attempts[rung], f"{rung} was tried too often"
        if before is S.ISOLATED and now is not S.ISOLATED:
            assert rule in ("reintegrate", "restored", "power", "returned", "retry_isolated")
        assert self.r.is_held("a") == self.held and self.r.is_shed("a") == self.shed
        assert not (self.held or self.shed) or now is S.ISOLATED
        ordered = ("isolate", "order", "resync_after_lateness", "reintegrate", "shed", "restored")
        if before is S.REINTEGRATING and rule not in ordered:
            self.agreed = self.agreed + 1 if rule == "agreed" else 0
            assert (now is S.VOTING) == (self.agreed >= self.policy.reintegrate_frames)
        if now is S.REINTEGRATING and before is not S.REINTEGRATING:
            self.agreed = 0
        if actions or now in RUNGS:
            assert actions and now in RUNGS, "a rung is a state exactly while its repair is ordered"
        assert now is not S.SUSPECT, "it lasts only within a call"
        assert self.r.settled == (now in (S.VOTING, S.ISOLATED))

    def step(self) -> None:
        state = self.r.state("a")
        if state in RUNGS:
            if self.rng.random() < 0.1:
                self.call("away", "away")
                return
            ok = self.rng.random() < 0.6
            self.call("ok" if ok else "failed", "result ok" if ok else "result not ok")
        elif state is S.ISOLATED and self.rng.random() < 0.2:
            self.call("returned", "returned")
        elif state is S.ISOLATED and self.rng.random() < 0.3:
            self.call("power", "on_power_restored")
        elif state is S.ISOLATED and self.rng.random() < 0.2:
            self.call("retry_isolated", "retry_isolated")
        elif self.rng.random() < 0.15:
            rule = self.rng.choice(
                ("isolate", "reintegrate", "order", "resync_after_lateness", "shed", "restored")
            )
            self.call(rule, rule)
        else:
            good = self.rng.random() < 0.5
            seen = O.AGREED if good else self.rng.choice(BAD)
            self.call(seen.value, "AGREED" if good else "bad")
            self.frame += self.rng.choice((1, 1, 1, 5, 30))


def walk_of(seed: int) -> Walk:
    rng = random.Random(seed)
    p = policy(
        *(rng.randint(0, 3) for _ in RUNGS),
        window=rng.choice((1, 5, 20, 100)),
        agreed=rng.randint(1, 5),
    )
    return Walk(seed, rng, p, RecoveryMachine(["a"], p))


def walks() -> Counter[Edge]:
    edges: Counter[Edge] = Counter()
    for seed in range(60):
        walk = walk_of(seed)
        for _ in range(1000):
            try:
                walk.step()
            except AssertionError as error:
                raise AssertionError(
                    f"seed {seed}, {walk.policy}: {error}; last rules: {walk.rules[-12:]}"
                ) from error
        edges += walk.edges
    return edges


def test_thousands_of_random_steps_keep_every_invariant() -> None:
    edges = walks()
    assert sum(edges.values()) > 10_000
    assert {e.after for e in edges} == set(NodeState)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_remembered_and_recalled_goes_on_in_the_same_way(seed: int) -> None:
    walk = walk_of(seed)
    for _ in range(walk.rng.randint(1, 200)):
        walk.step()
    while walk.r.state("a") in RUNGS:  # orders are carried out before anybody could ask
        walk.step()
    twin = walk_of(seed)
    twin.r.restore(walk.r.snapshot())
    twin.held, twin.shed = walk.held, walk.shed
    twin.frame, twin.agreed, twin.tries = walk.frame, walk.agreed, list(walk.tries)
    twin.rng.setstate(walk.rng.getstate())
    first = len(walk.r.transitions)
    for _ in range(300):
        walk.step()
        twin.step()
    assert twin.r.transitions == walk.r.transitions[first:]
    assert twin.r.snapshot() == walk.r.snapshot()


# --- the table ----------------------------------------------------------------------------------


def test_the_table_names_every_edge_that_the_machine_takes() -> None:
    drawn = {edge for row in table() for edge in edges_of(row)}
    assert sorted(map(str, set(walks()) - drawn)) == []


def test_the_machine_takes_edges_of_every_row_of_the_table() -> None:
    taken = set(walks())
    rows = table()
    assert len(rows) >= 9
    assert [row for row in rows if not edges_of(row) & taken] == []

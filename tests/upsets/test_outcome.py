"""What upsets came to, through the pure classifier with frames made by hand.

Each story is a list of frames: what every node showed, what the voter said, what was healed.
Digests are small numbers; GOOD is what the golden run computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import Ballot, vote
from hil.rig.node import ABSENT, CRASHED, DONE, EXCLUDED, HUNG, SILENT, NodeResult
from hil.scenario import PatternKind
from hil.upsets.outcome import Anomaly, UpsetClassifier, effect_of
from hil.upsets.upset import Assessment, InjectionReport, Upset, UpsetPlan
from hil.upsets.words import (
    EFFECTS,
    OUTCOMES,
    NodeEffect,
    UpsetState,
    UpsetTarget,
    kind_of,
)
from hil.wire.messages import Report

OTHER_KINDS = {"link": "corrupt", "cpu": "hang", "board": "power_loss"}
"""What an upset of these does that is no pattern of bits, where a test does not say."""

GOOD = 1
FINE = NodeResult(DONE, 0, GOOD, GOOD)
LATENT = NodeResult(DONE, 0, GOOD, 2)
WRONG = NodeResult(DONE, 0, 2, 2)
WRONG_TOO = NodeResult(DONE, 0, 3, 3)
ONLY_OUTPUT = NodeResult(DONE, 0, 2, GOOD)
CRASH = NodeResult(CRASHED, 11)
HANG = NodeResult(HUNG)
REBOOT = NodeResult(ABSENT, rebooted=True)
GONE = NodeResult(SILENT, reason="killed", disconnected=True, ended=True)
MUTE = NodeResult(SILENT, reason="no answer")
OUT = NodeResult(EXCLUDED)
LATE = NodeResult(ABSENT, reason="out of step", out_of_step=True)
UNCOUNTED = NodeResult(DONE, 0, GOOD, GOOD, miscounted=True)
KILLED = NodeResult(CRASHED, 9)
UNPLUGGED = NodeResult(SILENT, reason="unplugged", disconnected=True)


@pytest.mark.parametrize(
    ("result", "effect"),
    [
        (FINE, "masked"),
        (LATENT, "latent"),
        (WRONG, "sdc"),
        (ONLY_OUTPUT, "sdc"),
        (CRASH, "crash"),
        (GONE, "crash"),
        (HANG, "hang"),
        (MUTE, "hang"),
        (REBOOT, "reboot"),
        (LATE, "late"),
        (NodeResult(SILENT, late=True), "late"),
        (NodeResult(ABSENT, suspended=True), "late"),
        (NodeResult(ABSENT, reason="there was no worker"), "crash"),
        (UNCOUNTED, "latent"),
        (NodeResult(DONE, 0, 2, GOOD, miscounted=True), "sdc"),
    ],
)
def test_a_result_shows_the_effect(result: NodeResult, effect: str) -> None:
    assert effect_of(result, GOOD, GOOD) == effect


# --- telling stories ----------------------------------------------------------------------------


@dataclass
class Story:
    """A rig of `nodes`, frame by frame, as the loop drives the classifier."""

    nodes: str = "abc"
    frame: int = 0
    count: int = 0
    c: UpsetClassifier = field(init=False)

    def __post_init__(self) -> None:
        self.c = UpsetClassifier(list(self.nodes))

    def hit(
        self,
        node: str = "a",
        target: str = "state",
        kind: str = "bit",
        *,
        hold: int = 0,
        permanent: bool = False,
        effect: str = "",
        state: str = "injected",
        boot: int = 0,
    ) -> Upset:
        """An upset in the coming frame."""
        self.count += 1
        plan = UpsetPlan(
            self.frame,
            node,
            UpsetTarget(target),
            kind_of(UpsetTarget(target), OTHER_KINDS.get(target, kind) if kind == "bit" else kind),
            "story",
            self.count,
            hold_frames=hold,
            permanent=permanent,
        )
        report = InjectionReport(UpsetState(state), verified=True, changed=True, boot=boot)
        upset = Upset(plan, report, Assessment(NodeEffect(effect)))
        self.c.add(upset)
        return upset

    def run(
        self,
        shown: dict[str, NodeResult] | None = None,
        *,
        voters: str | None = None,
        again: dict[str, NodeResult] | None = None,
        healed: dict[str, str] | None = None,
        settle: str | None = None,
        boots: int | None = None,
    ) -> None:
        """One frame: other results than FINE in `shown`; `again` those after a rollback; `boots`:
        how often the system of who is healed has been started."""
        first = dict.fromkeys(self.nodes, FINE) | (shown or {})
        self.c.classify_nodes(self.frame, first, (GOOD, GOOD))
        last = first | (again or {})
        mask = sum(1 << self.nodes.index(n) for n in voters or self.nodes)
        ballots = [
            Ballot(r.status, r.signal, r.output_digest, r.state_digest)
            for r in (last[n] for n in self.nodes)
        ]
        verdict = vote(self.frame, ballots, mask, GOOD, re_executed=again is not None)
        self.c.classify_system(verdict, rolled_back=again is not None)
        for node, rung in (healed or {}).items():
            self.c.on_repaired(self.frame, node, NodeState(rung), boots)
        for node in self.nodes if settle is None else settle:
            self.c.settle(self.frame, node)
        self.frame += 1


def came_of(upset: Upset) -> tuple[str, str]:
    return upset.assessment.effect, upset.assessment.outcome


def masked() -> Upset:
    s = Story()
    u = s.hit()
    s.run()
    return u


def latent_resynced() -> Upset:
    s = Story()
    u = s.hit()
    s.run({"a": LATENT}, healed={"a": "resync"})
    return u


def outvoted() -> Upset:
    s = Story()
    u = s.hit(target="output")
    s.run({"a": WRONG}, healed={"a": "resync"})
    return u


def crashed() -> Upset:
    s = Story()
    u = s.hit(target="gpr")
    s.run({"a": CRASH}, healed={"a": "restart"}, settle="bc")
    s.run(voters="bc", settle="bc")
    s.run()
    assert (u.assessment.signal, u.assessment.detected_frame, u.assessment.resolved_frame) == (
        11,
        0,
        2,
    )
    return u


def hung() -> Upset:
    s = Story()
    u = s.hit(target="cpu", kind="hang")
    s.run({"a": HANG}, healed={"a": "restart"})
    return u


def rebooted() -> Upset:
    s = Story()
    u = s.hit(target="cpu", kind="reset")
    s.run({"a": REBOOT}, healed={"a": "reset"})
    return u


def noise_caught() -> Upset:
    s = Story()
    u = s.hit(target="link", kind="corrupt", effect="detected")
    s.run()
    return u


def isolated() -> Upset:
    s = Story()
    u = s.hit(target="board", kind="power_loss")
    s.run({"a": GONE}, settle="bc")
    s.c.settle(0, "a", isolated=True)
    return u


def no_majority() -> Upset:
    s = Story("ab")
    u = s.hit()
    s.run({"a": WRONG})
    return u


def nobody_heard() -> Upset:
    s = Story("a")
    u = s.hit(target="cpu", kind="crash")
    s.run({"a": CRASH})
    return u


def escaped() -> Upset:
    s = Story("a")
    u = s.hit()
    s.run({"a": WRONG})
    return u


def held_up() -> Upset:
    s = Story()
    u = s.hit(target="link", kind="drop")
    s.run({"a": LATE}, healed={"a": "resync"})
    return u


def gone_back() -> Upset:
    s = Story("ab")
    u = s.hit(target="output")
    s.run({"a": WRONG}, again={"a": FINE})
    return u


TABLE = [
    (masked, "masked", "no_effect"),
    (latent_resynced, "latent", "corrected"),
    (outvoted, "sdc", "corrected"),
    (crashed, "crash", "recovered"),
    (hung, "hang", "recovered"),
    (rebooted, "reboot", "recovered"),
    (noise_caught, "detected", "corrected"),
    (isolated, "crash", "degraded"),
    (no_majority, "sdc", "detected_unresolved"),
    (nobody_heard, "crash", "unavailable"),
    (escaped, "sdc", "sdc_escaped"),
    (gone_back, "sdc", "recovered"),
    (held_up, "late", "corrected"),
]


@pytest.mark.parametrize(
    ("story", "effect", "outcome"), TABLE, ids=[story.__name__ for story, *_ in TABLE]
)
def test_a_story_ends_with_its_effect_and_outcome(
    story: Callable[[], Upset], effect: str, outcome: str
) -> None:
    assert came_of(story()) == (effect, outcome)


def test_the_stories_reach_every_effect_and_every_outcome() -> None:
    assert {effect for _, effect, _ in TABLE} == set(EFFECTS)
    assert {outcome for _, _, outcome in TABLE} == set(OUTCOMES)


# --- what is not injected -----------------------------------------------------------------------


@pytest.mark.parametrize("state", ["missed", "failed", "refused"])
def test_what_was_not_injected_explains_nothing(state: str) -> None:
    s = Story()
    u = s.hit(state=state)
    assert s.c.take_finished() == [u] and not s.c.open
    s.run({"a": WRONG})
    assert came_of(u) == ("", "")
    assert s.c.anomalies == [Anomaly(0, "a", NodeEffect.SDC, "")]


def test_an_anomaly_without_any_upset_is_unexplained_and_says_why() -> None:
    s = Story()
    s.run({"b": GONE})
    s.run({"c": CRASH})
    s.run({"a": OUT})
    assert s.c.anomalies == [
        Anomaly(0, "b", NodeEffect.CRASH, "killed"),
        Anomaly(1, "c", NodeEffect.CRASH, ""),
    ]


def test_an_upset_of_another_node_explains_nothing() -> None:
    s = Story()
    u = s.hit("a")
    s.run({"b": WRONG}, healed={"b": "resync"})
    assert came_of(u) == ("masked", "no_effect")
    assert [a.node for a in s.c.anomalies] == ["b"]


def test_a_memory_upset_that_was_masked_and_settled_explains_nothing_later() -> None:
    s = Story()
    u = s.hit(target="state")
    s.run()
    s.run({"a": WRONG})
    assert came_of(u) == ("masked", "no_effect")
    assert len(s.c.anomalies) == 1


# --- sleeping faults ----------------------------------------------------------------------------


def struck_later(target: str, frames_later: int, kind: str = "bit") -> tuple[Story, Upset]:
    """A masked upset, and a crash of the worker so many frames later."""
    s = Story()
    u = s.hit(target=target, kind=kind)
    s.run()
    assert (*came_of(u), u.assessment.dormant) == ("masked", "no_effect", False)
    assert s.c.take_finished() == [u]
    for _ in range(frames_later - 1):
        s.run()
    s.run({"a": CRASH}, healed={"a": "restart"}, settle="abc")
    return s, u


@pytest.mark.parametrize(
    ("target", "kind", "frames_later"),
    [
        ("text", "bit", 1),
        ("text", "bit", 71),
        ("state", "stuck", 71),
        ("board-ram", "bit", 71),
        ("agent", "bit", 1),
        ("agent", "bit", 71),
        ("stack", "bit", 1),
        ("gpr", "bit", 1),
        ("vector", "bit", 1),
    ],
)
def test_what_still_lies_in_the_node_may_strike_later(
    target: str, kind: str, frames_later: int
) -> None:
    s, u = struck_later(target, frames_later, kind)
    assert (*came_of(u), u.assessment.dormant) == ("crash", "recovered", True)
    assert (u.assessment.detected_frame, u.assessment.resolved_frame) == (
        frames_later,
        frames_later,
    )
    assert s.c.take_finished() == [u], "its row is written again"
    assert s.c.anomalies == []


@pytest.mark.parametrize(
    ("target", "frames_later"),
    [
        ("stack", 2),
        ("gpr", 2),
        ("vector", 2),
        ("stack", 71),
        ("heap", 1),
        ("state", 1),
        ("input", 1),
        ("output", 1),
        ("checkpoint", 1),
        ("check-bits", 1),
        ("link", 1),
        ("cpu", 1),
        ("board", 1),
    ],
)
def test_a_settled_upset_of_which_nothing_is_left_keeps_its_outcome(
    target: str, frames_later: int
) -> None:
    s, u = struck_later(target, frames_later)
    assert (*came_of(u), u.assessment.dormant) == ("masked", "no_effect", False)
    assert s.c.take_finished() == []
    assert [a.effect for a in s.c.anomalies] == ["crash"]


WORKERS = {"latent": LATENT, "sdc": WRONG, "crash": CRASH, "hang": HANG, "uncounted": UNCOUNTED}
BOARDS = {"killed agent": GONE, "silence": MUTE, "unplugged": UNPLUGGED, "reboot": REBOOT}


# A program that a stuck cell confuses is killed by its agent: there it may be the cause.
NOT_BY_A_WORKER = [
    (target, shown)
    for target in ("text", "stack", "gpr", "vector", "stuck")
    for shown in (*BOARDS, "killed worker")
    if (target, shown) != ("stuck", "killed worker")
]


@pytest.mark.parametrize(("target", "shown"), NOT_BY_A_WORKER)
def test_nothing_that_lies_in_a_worker_kills_the_agent_or_unplugs_the_board(
    target: str, shown: str
) -> None:
    s = Story()
    u = s.hit(target="state", kind="stuck") if target == "stuck" else s.hit(target=target)
    s.run()
    result = {**BOARDS, "killed worker": KILLED}[shown]
    s.run({"a": result}, healed={"a": "power_cycle"})
    assert (*came_of(u), u.assessment.dormant) == ("masked", "no_effect", False)
    assert [(a.frame, a.effect) for a in s.c.anomalies] == [(1, effect_of(result, GOOD, GOOD))]


@pytest.mark.parametrize("shown", [*WORKERS, *BOARDS, "late", "killed worker"])
def test_the_memory_of_a_whole_board_may_do_anything(shown: str) -> None:
    result = {**WORKERS, **BOARDS, "late": LATE, "killed worker": KILLED}[shown]
    s = Story()
    u = s.hit(target="board-ram", boot=1)
    s.run()
    s.run({"a": result}, healed={"a": "power_cycle"}, boots=1)
    assert u.assessment.dormant and u.assessment.effect == effect_of(result, GOOD, GOOD)
    assert s.c.anomalies == []


@pytest.mark.parametrize("target", ["state", "input", "output", "checkpoint", "stack", "text"])
@pytest.mark.parametrize("shown", ["killed agent", "unplugged"])
def test_an_upset_is_not_blamed_for_an_agent_that_is_killed_in_its_own_frame(
    target: str, shown: str
) -> None:
    s = Story()
    u = s.hit(target=target)
    s.run({"a": BOARDS[shown]}, healed={"a": "power_cycle"})
    assert came_of(u) == ("", "no_effect")
    assert len(s.c.anomalies) == 1


def test_a_latent_upset_that_is_open_is_not_blamed_for_a_killed_agent() -> None:
    s = Story()
    u = s.hit()
    s.run({"a": LATENT}, settle="bc")
    s.run({"a": GONE}, healed={"a": "power_cycle"})
    assert (u.assessment.effect, len(s.c.anomalies)) == ("latent", 1)


def test_a_masked_upset_has_no_part_in_what_a_killed_agent_cost() -> None:
    s = Story("a")
    u = s.hit(target="gpr")
    s.run(settle="")
    s.run({"a": GONE}, settle="")
    s.c.on_repaired(0, "a", NodeState.POWER_CYCLE)
    s.c.settle(1, "a", isolated=True)
    assert came_of(u) == ("masked", "no_effect")
    assert [a.effect for a in s.c.anomalies] == ["crash"]


def silent_board() -> tuple[Story, Upset]:
    """A hit of an agent's memory that makes its board fall silent, and searched for."""
    s = Story()
    u = s.hit(target="agent")
    s.run({"a": MUTE}, settle="bc")
    s.c.on_absent("a")
    return s, u


def test_the_upset_of_an_absent_board_waits_without_holding_up_others() -> None:
    s, u = silent_board()
    assert s.c.waiting and not s.c.open
    assert u not in s.c.take_finished() and not u.assessment.outcome
    assert s.c.has_live_upset("a", UpsetTarget.AGENT)


def test_an_upset_whose_board_is_power_cycled_and_returns_is_recovered() -> None:
    s, u = silent_board()
    s.c.on_returned("a")
    s.c.on_repaired(0, "a", NodeState.POWER_CYCLE)
    s.c.settle(1, "a")
    assert came_of(u) == ("hang", "recovered") and not s.c.waiting
    assert s.c.take_finished() == [u]


@pytest.mark.parametrize("how", [{"isolated": True}, {"at_end": True}])
def test_an_upset_whose_board_never_returns_is_degraded(how: dict[str, bool]) -> None:
    s, u = silent_board()
    if not how.get("at_end"):
        s.c.settle(8, "a", **how)
        assert not u.assessment.outcome, "it may still return"
        s.c.on_returned("a")
    s.c.settle(9, "a", **how)
    assert came_of(u) == ("hang", "degraded") and not s.c.waiting


def test_a_cut_that_a_returning_board_denies_is_withdrawn_while_it_waits() -> None:
    s, u = silent_board()
    s.c.withdraw(u)
    s.c.on_returned("a")
    assert not s.c.open and s.c.take_finished() == [u]


@pytest.mark.parametrize(
    ("target", "kind", "shown", "explained"),
    [
        ("link", "drop", LATE, True),
        ("link", "drop", MUTE, True),
        ("link", "drop", WRONG, False),
        ("link", "drop", CRASH, False),
        ("link", "drop", UNPLUGGED, False),
        ("cpu", "hang", HANG, True),
        ("cpu", "hang", LATE, True),
        ("cpu", "crash", CRASH, True),
        ("cpu", "reset", REBOOT, True),
        ("cpu", "reset", UNPLUGGED, True),
        ("cpu", "crash", GONE, False),
        ("board", "power_loss", GONE, True),
        ("board", "power_loss", UNPLUGGED, True),
        ("board", "power_loss", MUTE, True),
        ("board", "power_loss", REBOOT, True),
        ("state", "bit", LATE, False),
        ("stack", "bit", LATE, True),
        ("stack", "bit", REBOOT, True),
        ("state", "bit", HANG, True),
    ],
)
def test_an_open_upset_explains_what_it_can_have_caused(
    target: str, kind: str, shown: NodeResult, explained: bool
) -> None:
    s = Story()
    u = s.hit(target=target, kind=kind)
    s.run({"a": shown})
    assert (s.c.anomalies == []) == explained
    unknown = "masked" if shown.status == DONE else ""  # a node that answered was not stopped by it
    assert u.assessment.effect == (effect_of(shown, GOOD, GOOD) if explained else unknown)


@pytest.mark.parametrize("shown", [LATE, NodeResult(SILENT, late=True), MUTE])
def test_what_a_busy_computer_did_not_hear_is_no_effect_and_no_anomaly(shown: NodeResult) -> None:
    s = Story()
    open_one = s.hit()
    s.run({n: shown._replace(host=True) for n in "abc"}, settle="")
    assert open_one.assessment.effect == "" and s.c.anomalies == []


@pytest.mark.parametrize("rung", ["reset", "restart"])
def test_memory_of_a_system_that_was_started_again_is_blamed_no_more(rung: str) -> None:
    """Boards panic and start again by themselves, and a power cycle beside the run ends as a reset:
    what was hit before cannot be what is wrong since; what was hit in the new system can."""
    story = Story()
    for _ in range(2):
        story.hit(target="board-ram", boot=1)
        story.run()
    panic = story.hit(target="board-ram", boot=1)
    story.run({"a": REBOOT}, healed={"a": rung}, boots=2)
    assert came_of(panic) == ("reboot", "recovered")
    story.run({"a": CRASH}, healed={"a": "restart"}, boots=2)
    assert [(anomaly.frame, anomaly.effect) for anomaly in story.c.anomalies] == [(3, "crash")]
    since = story.hit(target="board-ram", boot=2)
    story.run()
    story.run({"a": CRASH}, healed={"a": "restart"}, boots=2)
    assert came_of(since) == ("crash", "recovered") and len(story.c.anomalies) == 1


def test_a_reset_of_the_agent_alone_leaves_the_memory_of_its_system_under_suspicion() -> None:
    story = Story()
    hit = story.hit(target="board-ram", boot=1)
    story.run()
    story.run({"a": CRASH}, healed={"a": "reset"}, boots=1)
    story.run({"a": CRASH})
    assert hit.assessment.effect == "crash" and story.c.anomalies == []


SLOW = NodeResult(SILENT, late=True)
"""No answer by the end of a paced frame."""


def storm(*silent: NodeResult) -> tuple[Story, list[Upset]]:
    """A flip of a board's memory in each frame; the board answers three of them, then `silent`."""
    story, flips = Story(), []
    for result in (FINE, FINE, FINE, *silent):
        flips.append(story.hit(target="board-ram", boot=1))
        story.run({"a": result}, settle="" if result is not FINE else None)
    return story, flips


def test_a_death_is_attributed_to_the_last_flip_before_it_and_not_to_those_that_follow() -> None:
    story, flips = storm(SLOW, SLOW, SLOW, MUTE)
    effects = [flip.assessment.effect for flip in flips]
    assert effects == ["masked"] * 3 + ["hang"] + [""] * 3
    after = [flip.report.detail for flip in flips if "since frame 3" in flip.report.detail]
    assert after == ["; the board had not answered since frame 3"] * 3
    assert story.c.take_notes() == [
        (
            6,
            "node a has not answered since frame 3: upset 4 was the last flip of its memory before "
            "that; 3 flips came after it (the first upset 5, the last 7)",
        )
    ]
    story.c.on_repaired(6, "a", NodeState.POWER_CYCLE, 2)
    story.run({"a": OUT}, settle="")
    story.run(settle="abc")
    assert [came_of(flip) for flip in flips[3:]] == [("hang", "recovered")] + [
        ("masked", "no_effect")
    ] * 3
    assert story.c.anomalies == [] and story.c.take_notes() == []


@pytest.mark.parametrize("last", [MUTE, REBOOT])
def test_a_death_is_counted_once_however_long_the_board_stays_away(last: NodeResult) -> None:
    story, flips = storm(SLOW, MUTE, MUTE, last)
    dead = [flip for flip in flips if flip.assessment.effect in {"hang", "reboot"}]
    assert dead == [flips[3]] and story.c.anomalies == []
    assert len(story.c.take_notes()) == 1


def test_a_death_in_a_frame_of_several_flips_is_attributed_to_one() -> None:
    story = Story()
    first, second = (story.hit(target="board-ram", boot=1) for _ in range(2))
    story.run({"a": MUTE}, settle="bc")
    assert (first.assessment.effect, second.assessment.effect) == ("", "hang")
    assert story.c.take_notes() == [], "none came after it"


def test_a_death_before_which_no_flip_is_open_is_attributed_to_a_dormant_one() -> None:
    story = Story()
    dormant = story.hit(target="board-ram", boot=1)
    story.run()
    story.run({"a": SLOW}, settle="bc")
    late = story.hit(target="board-ram", boot=1)
    story.run({"a": MUTE}, settle="bc")
    assert dormant.assessment.effect == "hang" and dormant.assessment.dormant
    assert late.assessment.effect == "" and "since frame 1" in late.report.detail
    ((_, note),) = story.c.take_notes()
    assert note.endswith(
        "upset 1 was the last flip of its memory before that; upset 2 came after it"
    )


def test_a_board_that_was_only_late_has_not_died() -> None:
    story, flips = storm(SLOW, SLOW)
    story.run(settle="abc")
    assert [came_of(flip) for flip in flips] == [("masked", "no_effect")] * 5
    assert not any(flip.report.detail for flip in flips) and story.c.anomalies == []


def test_a_second_death_has_a_flip_of_its_own() -> None:
    story, flips = storm(MUTE)
    story.c.on_repaired(3, "a", NodeState.POWER_CYCLE, 2)
    story.run({"a": OUT}, settle="")
    again = story.hit(target="board-ram", boot=2)
    story.run({"a": MUTE}, settle="")
    assert again.assessment.effect == flips[3].assessment.effect == "hang"
    assert story.c.anomalies == []


def test_a_board_that_dies_again_without_a_flip_since_it_was_started_is_an_anomaly() -> None:
    story, _ = storm(MUTE)
    story.c.on_repaired(3, "a", NodeState.POWER_CYCLE, 2)
    story.run({"a": MUTE}, settle="")
    assert [anomaly.frame for anomaly in story.c.anomalies] == [4]


@pytest.mark.parametrize("rung", ["restart", "reset", "power_cycle"])
def test_a_new_worker_has_no_old_faults(rung: str) -> None:
    s = Story()
    s.hit(target="text")
    s.run()
    s.run(healed={"a": rung})
    s.run({"a": CRASH})
    assert [a.frame for a in s.c.anomalies] == [2]


def test_a_resync_leaves_faults_of_the_worker_where_they_are() -> None:
    s = Story()
    u = s.hit(target="text")
    s.run({"a": WRONG}, healed={"a": "resync"})
    s.run({"a": WRONG}, healed={"a": "resync"})
    s.run({"a": CRASH}, healed={"a": "restart"})
    assert s.c.anomalies == []
    assert came_of(u) == ("sdc", "recovered")
    s.run({"a": WRONG})
    assert len(s.c.anomalies) == 1, "the new worker has sound code"


def test_machine_code_and_stuck_cells_are_suspected_before_registers() -> None:
    for target, kind in (("text", "bit"), ("state", "stuck")):
        s = Story()
        firm = s.hit(target=target, kind=kind)
        s.run()
        soft = s.hit(target="gpr")
        s.run()
        s.run({"a": WRONG}, healed={"a": "resync"})
        assert came_of(firm) == ("sdc", "corrected") and firm.assessment.dormant
        assert came_of(soft) == ("masked", "no_effect") and not soft.assessment.dormant


def test_the_last_hit_is_suspected_before_older_ones() -> None:
    s = Story()
    older = s.hit(target="text")
    s.run()
    newer = s.hit(target="text")
    s.run()
    s.run({"a": CRASH}, healed={"a": "restart"})
    assert came_of(newer) == ("crash", "recovered")
    assert came_of(older) == ("masked", "no_effect")


@pytest.mark.parametrize(
    ("rung", "permanent", "explains"),
    [
        ("resync", False, True),
        ("restart", False, True),
        ("reset", False, False),
        ("power_cycle", False, False),
        ("reset", True, True),
        ("power_cycle", True, True),
    ],
)
def test_a_stuck_bit_lets_go_when_the_board_starts_anew_unless_the_cell_is_damaged(
    rung: str, permanent: bool, explains: bool
) -> None:
    s = Story()
    u = s.hit(target="output", kind="stuck", permanent=permanent)
    s.run({"a": ONLY_OUTPUT}, healed={"a": rung})
    s.run({"a": ONLY_OUTPUT}, healed={"a": "resync"})
    assert (s.c.anomalies == []) == explains
    assert u.assessment.effect == "sdc"


def test_a_stuck_bit_whose_time_is_over_explains_nothing() -> None:
    s = Story()
    s.hit(target="output", kind="stuck", hold=2)
    s.run({"a": ONLY_OUTPUT}, healed={"a": "resync"})
    s.run({"a": ONLY_OUTPUT}, healed={"a": "resync"})
    assert s.c.anomalies == []
    for _ in range(3):
        s.run()
    s.run({"a": ONLY_OUTPUT})
    assert [a.frame for a in s.c.anomalies] == [5]


def test_machine_code_keeps_the_value_of_a_cell_that_was_released_until_the_worker_is_new() -> None:
    s = Story()
    u = s.hit(target="text", kind="stuck", hold=1)
    for _ in range(4):
        s.run({"a": WRONG}, healed={"a": "resync"})
    assert s.c.anomalies == [] and came_of(u) == ("sdc", "corrected")
    s.run({"a": WRONG}, healed={"a": "restart"})
    assert s.c.anomalies == [] and came_of(u) == ("sdc", "recovered")
    s.run({"a": WRONG})
    assert [a.frame for a in s.c.anomalies] == [5]


def test_a_new_worker_gets_the_value_of_a_cell_in_machine_code_that_is_still_held() -> None:
    s = Story()
    s.hit(target="text", kind="stuck", hold=3)
    s.run({"a": WRONG}, healed={"a": "restart"})
    for _ in range(4):
        s.run({"a": WRONG}, healed={"a": "resync"})
    assert s.c.anomalies == []
    s.run({"a": WRONG}, healed={"a": "restart"})
    s.run({"a": WRONG})
    assert [a.frame for a in s.c.anomalies] == [6]


# --- several at once ----------------------------------------------------------------------------


def test_upsets_that_hit_one_node_in_one_frame_share_what_followed() -> None:
    s = Story()
    one, two = s.hit("a"), s.hit("a", "output")
    elsewhere = s.hit("b")
    s.run({"a": WRONG}, healed={"a": "resync"})
    assert came_of(one) == came_of(two) == ("sdc", "corrected")
    assert one.assessment.shared and two.assessment.shared and not elsewhere.assessment.shared
    assert came_of(elsewhere) == ("masked", "no_effect")


def test_an_upset_that_is_still_open_does_not_share_with_two_newer_ones() -> None:
    s = Story()
    first = s.hit("a", "gpr")
    s.run({"a": CRASH}, healed={"a": "restart"}, settle="bc")
    assert not first.assessment.shared
    two, three = s.hit("a"), s.hit("a", "output")
    s.run(settle="bc", voters="bc")
    assert two.assessment.shared and three.assessment.shared and not first.assessment.shared


def test_the_worst_outcome_stays() -> None:
    s = Story("ab")
    u = s.hit(target="text")
    s.run({"a": WRONG}, settle="b")  # no majority
    s.run({"a": CRASH}, healed={"a": "restart"})
    assert u.assessment.outcome == "detected_unresolved"
    s = Story()
    u = s.hit(target="text")
    v = s.hit("b", target="text")
    s.run({"a": WRONG, "b": WRONG})
    assert u.assessment.outcome == v.assessment.outcome == "sdc_escaped"
    s.run({"a": CRASH}, healed={"a": "restart"})
    assert u.assessment.outcome == "sdc_escaped"


def test_a_wrong_majority_is_not_blamed_on_an_upset_that_was_masked() -> None:
    s = Story()
    harmless = s.hit("c")
    guilty = [s.hit("a"), s.hit("b")]
    s.run({"a": WRONG, "b": WRONG})
    assert [u.assessment.outcome for u in guilty] == ["sdc_escaped"] * 2
    assert came_of(harmless) == ("masked", "no_effect")


def test_a_missing_majority_is_not_blamed_on_noise_that_the_link_caught() -> None:
    s = Story()
    noise = s.hit("c", "link", "corrupt", effect="detected")
    guilty = [s.hit("a"), s.hit("b")]
    s.run({"a": WRONG, "b": WRONG_TOO})
    assert [u.assessment.outcome for u in guilty] == ["detected_unresolved"] * 2
    assert came_of(noise) == ("detected", "corrected")


def test_a_masked_upset_of_a_rolled_back_frame_had_no_effect() -> None:
    s = Story("ab")
    guilty, harmless = s.hit("a"), s.hit("b")
    s.run({"a": WRONG}, again={"a": FINE})
    assert came_of(guilty) == ("sdc", "recovered")
    assert came_of(harmless) == ("masked", "no_effect")


def test_the_first_effect_that_is_not_masked_or_latent_stays() -> None:
    s = Story()
    u = s.hit()
    s.run({"a": LATENT}, settle="bc")
    assert u.assessment.effect == "latent"
    s.run({"a": WRONG}, settle="bc")
    assert u.assessment.effect == "sdc"
    s.run({"a": CRASH}, settle="bc")
    assert u.assessment.effect == "sdc" and u.assessment.detected_frame == 0


def test_a_node_that_still_does_not_vote_at_the_end_is_degraded() -> None:
    s = Story()
    lost, quiet = s.hit("a"), s.hit("b")
    s.run({"a": CRASH}, settle="c")
    for node in "abc":
        s.c.settle(s.frame, node, at_end=True)
    assert came_of(lost) == ("crash", "degraded")
    assert came_of(quiet) == ("masked", "no_effect")
    assert not s.c.open


def test_a_report_is_applied_as_the_board_sent_it() -> None:
    report = Report(
        id=1,
        state=UpsetState.FAILED,
        verified=False,
        changed=False,
        persisted=False,
        detail=-9,
        frame=4,
        tick=3,
        steps=2,
        at_us=17,
        pc_offset=None,
        bit=5,
        space=64,
        before=b"\0",
        after=b"\0",
    )
    u = Upset(UpsetPlan(4, "a", UpsetTarget.STATE, PatternKind.BIT, "story", 1))
    u.apply(report)
    assert (u.state, u.report.detail, u.injected) == ("failed", "status -9", False)
    made = u.report
    assert (made.tick, made.steps, made.at_us) == (3, 2, 17)
    assert (made.bit, made.space, made.before) == (5, 64, b"\0")


def test_a_hit_that_could_not_do_what_an_older_one_did_was_masked() -> None:
    """A node answers, wrongly by machine code that was changed before: the noise on its link in
    that frame did nothing."""
    s = Story()
    code = s.hit(target="text")
    s.run()
    noise = s.hit(target="link")
    s.run({"a": WRONG}, healed={"a": "resync"})
    assert came_of(code) == ("sdc", "corrected") and code.assessment.dormant
    assert came_of(noise) == ("masked", "no_effect")


def test_the_stored_words_of_an_upset_are_its_plain_texts() -> None:
    """Records of other versions are read by them."""
    assert [str(state) for state in UpsetState] == [
        "armed",
        "injected",
        "missed",
        "failed",
        "refused",
    ]
    assert {"": NodeEffect.UNKNOWN}[NodeEffect.UNKNOWN] is NodeEffect.UNKNOWN
    assert f"{UpsetState.INJECTED}" == "injected" and not NodeEffect.UNKNOWN

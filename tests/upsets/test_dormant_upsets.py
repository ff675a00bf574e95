"""Dormant upsets: a long run keeps few of them, and attributes what it would if it kept all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.upsets.causes import NodeBook
from hil.upsets.outcome import UpsetClassifier
from hil.upsets.upset import Upset
from tests.upsets.test_outcome import (
    CRASH,
    FINE,
    GONE,
    HANG,
    KILLED,
    LATE,
    LATENT,
    MUTE,
    ONLY_OUTPUT,
    REBOOT,
    UNPLUGGED,
    WRONG,
    Story,
)

LINGERING = ["text", "stack", "gpr", "vector", "agent", "board-ram"]
SHOWN = [LATENT, WRONG, ONLY_OUTPUT, CRASH, HANG, KILLED, LATE, REBOOT, GONE, MUTE, UNPLUGGED]
RUNGS = ["resync", "restart", "reset", "power_cycle"]


@pytest.mark.parametrize("programs", [False, True])
@pytest.mark.parametrize("target", LINGERING)
def test_masked_upsets_of_a_long_run_leave_as_few_behind_as_those_of_a_short_one(
    target: str, programs: bool
) -> None:
    remaining = []
    for frames in (50, 500):
        story = Story()
        story.c = UpsetClassifier(list(story.nodes), programs=programs)
        for _ in range(frames):
            story.hit(target=target)
            story.run()
        remaining.append(sum(map(len, story.c.dormant.values())))
    assert remaining[0] == remaining[1] <= 2


def test_stuck_cells_that_were_released_leave_nothing_behind_that_grows() -> None:
    remaining = []
    for frames in (50, 500):
        story = Story()
        for _ in range(frames):
            story.hit(target="state", kind="stuck", hold=2)
            story.hit(target="text", kind="stuck", hold=2)
            story.run()
        remaining.append(sum(map(len, story.c.dormant.values())))
    assert remaining[0] == remaining[1] <= 6


def test_an_upset_that_its_board_denies_after_it_was_settled_is_blamed_for_nothing() -> None:
    story = Story()
    assumed = story.hit(target="agent")
    assumed.report = replace(assumed.report, verified=False)
    story.run()
    assumed.miss()
    story.c.on_late_report(assumed)
    story.run({"a": CRASH}, healed={"a": "restart"})
    assert assumed.assessment.effect == ""
    assert [(a.frame, a.effect) for a in story.c.anomalies] == [(1, "crash")]


def test_an_earlier_upset_is_blamed_where_the_board_denies_the_later_one() -> None:
    story = Story()
    earlier = story.hit(target="agent")
    story.run()
    assumed = story.hit(target="agent")
    assumed.report = replace(assumed.report, verified=False)
    story.run()
    assumed.miss()
    story.c.on_late_report(assumed)
    story.run({"a": CRASH}, healed={"a": "restart"})
    assert earlier.assessment.effect == "crash" and story.c.anomalies == []


_HITS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(LINGERING), st.just("bit"), st.just(0), st.just(False)),
        st.tuples(
            st.sampled_from(["state", "heap", "text", "agent"]),
            st.just("stuck"),
            st.integers(0, 4),
            st.booleans(),
        ),
    ),
    max_size=2,
)
_FRAMES = st.lists(
    st.tuples(
        _HITS,
        st.one_of(st.just(FINE), st.just(FINE), st.sampled_from(SHOWN)),
        st.sampled_from(RUNGS),
        st.booleans(),
    ),
    max_size=30,
)


def _told(frames: list[tuple[list[tuple[str, str, int, bool]], object, str, bool]]) -> object:
    """Tell one story; return what came of all upsets, and the anomalies."""
    story, upsets, boots = Story(), [], 1
    programs = bool(frames and frames[0][3])
    story.c = UpsetClassifier(list(story.nodes), programs=programs)
    for hits, shown, rung, settles in frames:
        for target, kind, hold, permanent in hits:
            boot = boots if target == "board-ram" else 0
            hit = story.hit(target=target, kind=kind, hold=hold, permanent=permanent, boot=boot)
            upsets.append(hit)
        boots += rung == "power_cycle" and shown is not FINE
        story.run(
            {"a": shown},  # type: ignore[dict-item]
            healed={} if shown is FINE else {"a": rung},
            settle="abc" if settles or shown is FINE else "bc",
            boots=boots,
        )
    # What was dropped is not asked whether it lingers.
    return [replace(u.assessment, lingers=False) for u in upsets], story.c.anomalies


@given(_FRAMES)
def test_dropping_superseded_upsets_changes_no_attribution(
    frames: list[tuple[list[tuple[str, str, int, bool]], object, str, bool]],
) -> None:
    bounded = _told(frames)

    def keep_all(book: NodeBook, upset: Upset, frame: int) -> None:
        book.dormant.append(upset)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(NodeBook, "lay_dormant", keep_all)
        assert _told(frames) == bounded

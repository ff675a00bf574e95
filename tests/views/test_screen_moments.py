"""A page shows what was so at its own moment: counters, outcomes and rates; and the cursor on an
event stays on that event."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hil.rig.link import LinkStatistics
from hil.views.alarm_limits import Level
from hil.views.screen.model.facts import EventLine
from hil.views.screen.model.playback import Player
from hil.views.screen.pages.events import filtered
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter, View
from tests.views.story import Story

pytestmark = pytest.mark.usefixtures("fresh")


def desk_of(run: Path, size: tuple[int, int] = (120, 40)) -> Presenter:
    presenter = Presenter(run, Marks(), Player(), lambda: 0.0)
    presenter.refresh(*size)
    return presenter


def text_at(presenter: Presenter, frame: int, view: View, size: tuple[int, int] = (120, 40)) -> str:
    presenter.seek(frame)
    presenter.go(view)
    presenter.refresh(*size)
    return "\n".join(line.plain for line in presenter.page())


# --- the past ---------------------------------------------------------------------------------


def test_a_replay_shows_the_link_counters_of_its_moment(tmp_path: Path) -> None:
    """Forwards and backwards."""
    with Story(tmp_path / "run.db") as story:
        for begin in range(0, 400, 10):
            story.agree(10)
            errors = begin // 100  # those of the frame before the next account
            story.recorder.link(
                begin + 5, 1, LinkStatistics(begin + 5, 0, begin, 0, errors, naks=1)
            )
    presenter = desk_of(tmp_path)
    for frame in (399, 120, 7, 250, 4, 399, 0):
        presenter.player = Player()
        presenter.seek(frame)
        presenter.refresh(120, 40)
        link = presenter.scene.nodes[1].link
        assert link is not None
        at = frame - (frame - 5) % 10 if frame % 10 >= 5 else frame // 10 * 10
        sent = at if at % 10 == 5 else at + 40  # the story's own account, every tenth frame
        assert link.tx_frames == sent, frame
        assert link.rx_errors == (at // 100 if at % 10 == 5 else 0), frame


def test_what_came_of_an_upset_later_is_not_known_yet(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db") as story:
        story.agree(5)
        story.upset("b", "state", effect="latent", detected_frame=9, resolved_frame=12)
        story.upset("a", detected_frame=5, resolved_frame=12, outcome="recovered")
        story.agree(20)
    presenter = desk_of(tmp_path)
    told = {
        frame: [event.text for event in reversed(presenter.scene.events)]
        for frame in (6, 8, 9, 11, 12, 24)
        if text_at(presenter, frame, View.OVERVIEW)
    }
    assert (
        told[6]
        == told[8]
        == ["#1 state bit: not settled yet", "#2 output bit: sdc, not settled yet"]
    )
    assert (
        told[9]
        == told[11]
        == ["#1 state bit: latent, not settled yet", "#2 output bit: sdc, not settled yet"]
    )
    assert (
        told[12] == told[24] == ["#1 state bit: latent, corrected", "#2 output bit: sdc, recovered"]
    )


# --- rates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pace", "label"), [("free", "steps/sim s"), ("60x", "steps/sim s"), ("realtime", "steps/s")]
)
def test_rates_are_per_simulated_second_and_say_so(tmp_path: Path, pace: str, label: str) -> None:
    """Real time of the story: ten frames a second; simulated time: a hundred."""
    with Story(tmp_path / "run.db", pace=pace, frame_ms=10.0) as story:
        story.agree(40)
    presenter = desk_of(tmp_path)
    for size in ((80, 24), (120, 40), (200, 60)):
        head, row = text_at(presenter, 35, View.OVERVIEW, size).splitlines()[
            slice(*((4, 6) if size == (80, 24) else (5, 7)))
        ]
        at = head.index(label) + len(label)
        assert row[:at].split()[-1] == "100"
        assert head[at : at + 1] in {" ", ""}
    node = text_at(presenter, 31, View.NODE)
    assert re.search(r"steps/sim s +100\b", node)


def test_a_free_run_of_many_columns_keeps_when_a_node_was_heard(tmp_path: Path) -> None:
    with Story(tmp_path / "run.db", pace="free") as story:
        story.plant().agree(20)
    text = text_at(desk_of(tmp_path, (80, 24)), 19, View.OVERVIEW, (80, 24))
    head = text.splitlines()[4]
    assert head.split()[-1] == "heard" and "steps/s " not in head


# --- the cursor -------------------------------------------------------------------------------


def chosen(presenter: Presenter) -> EventLine:
    return filtered(presenter.events.events, presenter.events.filter)[presenter.events.row]


@pytest.mark.parametrize("seed", range(6))
def test_the_cursor_stays_on_its_event_while_others_come_or_are_hidden(
    tmp_path: Path, seed: int
) -> None:
    choose = random.Random(seed)
    with Story(tmp_path / "run.db") as story:

        def happen() -> None:
            what = choose.random()
            if what < 0.4:
                story.outvoted(choose.choice("ab"))
            elif what < 0.6:
                story.anomaly("c").agree()
            elif what < 0.8:
                story.upset(choose.choice("abc"), "link", outcome="no_effect").agree()
            else:
                story.differ(a=1, b=2)
            story.agree(choose.randint(0, 15))

        for _ in range(60):
            happen()
        story.commit()
        presenter = desk_of(tmp_path)
        text_at(presenter, story.frame - 1, View.EVENTS)
        presenter.newest()
        presenter.vertical(choose.randint(1, 40))
        presenter.refresh(120, 40)
        presenter.page()
        before = chosen(presenter)
        for _ in range(25):
            for _ in range(choose.randint(0, 4)):
                happen()
            story.commit()
            least = choose.choice([Level.GOOD, Level.WARN, Level.BAD])
            presenter.events.filter = replace(presenter.events.filter, least=least)
            presenter.refresh(120, choose.choice((24, 40, 60)))
            page = presenter.page()
            hidden = not filtered([before], presenter.events.filter)
            now = chosen(presenter)
            if hidden:  # the next older one that is not hidden stands for it
                assert now.level >= least and (
                    now.frame <= before.frame or presenter.events.row > 0
                )
            else:
                assert now.key == before.key
                assert any(
                    f"{before.frame:,}" in line.plain and "reverse" in str(line.spans)
                    for line in page
                )
        presenter.events.filter = replace(presenter.events.filter, least=Level.GOOD)
        presenter.refresh(120, 40)
        presenter.page()
        assert chosen(presenter).key == before.key
        presenter.source.close()

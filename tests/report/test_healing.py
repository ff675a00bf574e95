"""How a page says that a node came back after a dissent: in a later frame, at once, or never."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hil.kernel import workload
from hil.report.run_report import runs_page
from tests.report.runs import EVENTS, run

FRAME_MS = 10
RETURNING = 3
"""[frame] A node that was restarted computes beside the vote first (`reintegrate_frames`)."""
LAST = workload("attitude").ticks
BOTH_WRONG = [("b", 119), ("a", 55)]
DMR = {"scheme": "dmr", "board": "inproc"}


def told(page: str, frame: int) -> str:
    row = page[page.index(f'<tr id="f{frame}">') :].split("</tr>", 1)[0]
    return re.sub("<[^>]+>", " ", row.rsplit("<td>", 1)[1]).strip()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    stuck = {"frame": 60, "node": "c", "target": "output", "tick": LAST, "bit": 3}
    stuck |= {"pattern": "stuck", "permanent": True}
    hits = {"events": [*EVENTS, stuck]}
    recovery = {"reintegrate_frames": RETURNING}
    folder = tmp_path_factory.mktemp("healed") / "r"
    return runs_page([run(folder, upsets=hits, recovery=recovery, frames=120)])


def test_a_dissent_says_in_which_later_frame_its_node_was_healed_and_how(page: str) -> None:
    back = 30 + RETURNING + 1
    later = (back - 30) * FRAME_MS
    text = told(page, 30)
    assert re.fullmatch(
        rf"node b: restart after frame 30 in [\d.]+ .?s, right again in frame {back}, {later} ms "
        "later",
        text,
    )
    assert "resync after frame 10 in" in told(page, 10)
    assert told(page, 10).endswith("right again in frame 11, 10 ms later")


def test_a_dissent_says_that_its_node_was_never_healed(page: str) -> None:
    rows = [int(number) for number in re.findall(r'<tr id="f(\d+)">', page)]
    upset = re.search(
        r"but not healed: upset +#4 +stays, and shows again in frame (\d+)$", told(page, 60)
    )
    assert upset is not None and int(upset[1]) == next(row for row in rows if row > 60)
    text = told(page, rows[-1])
    assert "isolated in frame" in text
    assert text.endswith("not back in the vote up to frame 119, the last of this run")


def test_a_dissent_in_the_last_frame_is_not_healed(tmp_path: Path) -> None:
    hits = {"events": EVENTS[:2]}
    page = runs_page([run(tmp_path / "r", upsets=hits, frames=31)])
    assert told(page, 30).endswith("not healed: this is frame 30, the last of this run")


def test_a_frame_that_was_computed_again_heals_its_nodes_itself(tmp_path: Path) -> None:
    hits = {"events": [EVENTS[0], {**EVENTS[0], "node": "b", "bit": 6}]}
    checkpoints = {"rollbacks": 1}
    page = runs_page([run(tmp_path / "r", upsets=hits, recovery=checkpoints, rig=DMR)])
    text = told(page, 10)
    assert "node a: rollback after frame 10 in" in text
    assert "right when the frame was computed again" in text


def test_a_node_is_right_again_where_the_others_leave_no_majority(tmp_path: Path) -> None:
    """Two nodes are wrong from frame 20 on, each in its own way; the third one only in frame 30."""
    lasting = [
        {"frame": 20, "node": node, "target": "input", "bit": bit} for node, bit in BOTH_WRONG
    ]
    hits = {"events": [*lasting, {**EVENTS[0], "node": "c", "frame": 30}]}
    page = runs_page([run(tmp_path / "r", upsets=hits, recovery={"rollbacks": 0})])
    assert "node c: right again in frame 31 without a repair, 10 ms later" in told(page, 30)

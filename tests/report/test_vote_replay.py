"""Voting again in the page: what it votes on, and what the voter in it says, in a real browser."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.redundancy.voting import Ballot, record_length, unpack, vote
from hil.report.run_page.frames import numbered, plain_digests
from hil.report.run_report import runs_page
from tests.report.runs import run

NODES = 3
LENGTH = record_length(NODES)


def random_frames(number: int) -> list[bytes]:
    """Frames of which many have equal digests, and nodes that gave none."""
    draw = random.Random(7)
    digests = [draw.getrandbits(64) for _ in range(2)]
    out = []
    for frame in range(number):
        ballots = []
        for _ in range(NODES):
            status = draw.choice([0, 0, 0, 0, 1, 4])
            ours = [draw.choice(digests) if status == 0 else 0 for _ in range(2)]
            ballots.append(Ballot(status, 0, ours[0], ours[1]))
        verdict = vote(frame, ballots, draw.choice([7, 7, 7, 3, 5]), digests[0])
        out.append(verdict.record)
    return out


def test_numbers_in_place_of_digests_give_the_same_verdicts() -> None:
    records = random_frames(600)
    frames = np.frombuffer(b"".join(records), np.uint8).reshape(-1, LENGTH)
    kinds = set()
    for before, row in zip(records, numbered(frames, NODES), strict=True):
        old, new = unpack(before), unpack(row.tobytes())
        again = vote(new.frame, new.ballots, new.voters)
        kinds.add(old.kind)
        assert again.kind == old.kind
        assert (again.agree, again.dissent, again.latent) == (old.agree, old.dissent, old.latent)
        assert (again.output, again.state) == (new.output, new.state)
    assert len(kinds) == 5


def test_differences_to_the_agreed_digest_are_zero_where_nodes_agree() -> None:
    frames = np.frombuffer(b"".join(random_frames(200)), np.uint8).reshape(-1, LENGTH)
    twice = plain_digests(frames, NODES)
    for node in range(NODES):
        agrees = (frames[:, 12] >> node & 1).astype(bool)
        assert not twice[agrees, 32 + 18 * node + 2 : 32 + 18 * node + 10].any()
    assert (plain_digests(twice, NODES) == frames).all()


def test_a_voter_of_values_is_not_imitated_by_the_page(tmp_path: Path) -> None:
    rig = {"scheme": "tmr", "board": "inproc", "voter": "mid_value"}
    page = runs_page([run(tmp_path / "r", rig=rig)])
    assert "votes by digests. Vote again with" in page
    assert 'id="frames"' not in page


aiohttp = pytest.importorskip("aiohttp", reason="the extra `web` is not installed")

from tests.browser import CHROMIUM, Page, chromium, visited  # noqa: E402

in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


READY = "document.getElementById('votes')?.dataset.equal"


def tampered(page: str, change: Callable[[bytearray], None]) -> str:
    """The page with frames that someone has changed."""
    found = re.search(r'id="frames">(.*?)</script>', page)
    assert found is not None
    data: Any = json.loads(found[1])
    count, length = data["count"], data["length"]
    planes = np.frombuffer(zlib.decompress(base64.b64decode(data["frames"])), np.uint8)
    frames = bytearray(planes.reshape(length, count).T.tobytes())
    change(frames)
    again = np.frombuffer(bytes(frames), np.uint8).reshape(count, length).T
    packed = zlib.compress(np.ascontiguousarray(again).tobytes())
    data["frames"] = base64.b64encode(packed).decode()
    return page.replace(found[1], json.dumps(data))


@in_a_browser
def test_the_page_votes_again_and_sees_what_was_changed(tmp_path: Path) -> None:
    page = runs_page([run(tmp_path / "r")])

    def ballot(frames: bytearray) -> None:
        frames[LENGTH * 40 + 32 + 2] ^= 1  # node a of frame 40 said something else

    def verdict(frames: bytearray) -> None:
        frames[LENGTH * 41 + 8] = 2  # majority, where all agreed

    def unheard(frames: bytearray) -> None:
        frames[LENGTH * 42 + 33] ^= 9  # a signal, which no vote looks at: only the digest has it

    wanted = {
        "honest": ("yes", "80 of 80 verdicts are equal", "that of the run"),
        "ballot": ("no", "79 of 80 verdicts are equal", "frame 40: verdict: recorded unanimous"),
        "verdict": ("no", "79 of 80 verdicts", "frame 41: verdict: recorded majority, voted again"),
        "unheard": ("no", "80 of 80 verdicts are equal", "it is not that of the run"),
    }
    changes = {"ballot": ballot, "verdict": verdict, "unheard": unheard}
    with chromium(tmp_path / "profile") as port:
        for name, (equal, said, more) in wanted.items():
            path = tmp_path / f"{name}.html"
            content = tampered(page, changes[name]) if name in changes else page
            path.write_text(content, encoding="utf-8")

            async def visit(shown: Page, equal: str = equal, texts: Any = (said, more)) -> None:
                text = await shown.tells("document.getElementById('votes').innerText")
                assert all(part in text for part in texts), text
                assert await shown.tells("document.getElementById('votes').dataset.equal") == equal

            asyncio.run(visited(path, port, READY, visit))

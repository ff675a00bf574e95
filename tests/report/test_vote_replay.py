"""Voting again in the page: what it votes on, and what the voter in it says, in a real browser."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.record.reader import Reader
from hil.redundancy.byzantine import combine
from hil.redundancy.voting import Ballot, record_length, unpack, vote, vote_again
from hil.report.run_page.frames import all_numbered, numbered, plain_digests
from hil.report.run_page.voters import voters_of
from hil.report.run_report import runs_page
from tests.report.runs import run

NODES = 3
PRIMARY = {"scheme": "primary_monitors", "board": "inproc"}
VOTERS = {"scheme": "4mr", "board": "inproc", "voter_per_node": True}
TWO_FACED = [
    {"frame": frame, "node": "a", "target": "link", "noise": noise, "to": to}
    for frame, noise, to in (
        (10, "alter", ["d"]),
        (30, "drop", ["b"]),
        (50, "alter", ["b", "c"]),
    )
]
"""Node a gives different values to the others, or nothing."""
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


def test_numbers_are_the_same_for_a_frame_and_its_voters(tmp_path: Path) -> None:
    """Each voter decides on them as it did, and together they release the same."""
    folder = run(tmp_path / "r", rig=VOTERS, upsets={"events": TWO_FACED})
    length = record_length(4)
    with closing(Reader(folder / "run.db")) as reader:
        content = b"".join(data for _, _, data in reader.blocks())
        voters = voters_of(reader, 80, length)
    assert voters is not None and list(voters.frames) == [10, 30, 50]
    frames, again = all_numbered(np.frombuffer(content, np.uint8).reshape(80, length), 4, voters)
    assert again is not None
    largest = 0
    for number, wide in zip(again.frames, again.wide(frames), strict=True):
        sent, *stored = [unpack(record.tobytes()) for record in wide[:5]]
        largest = max(largest, *(b.output_digest for v in stored for b in v.ballots))
        verdicts = {node: vote_again(verdict) for node, verdict in enumerate(stored)}
        assert [v.record for v in verdicts.values()] == [v.record for v in stored]
        assert combine(sent, verdicts).record == sent.record, number
    assert largest < 1 + 5 * 5


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


Change = Callable[[bytearray], None]


def data_of(page: str) -> tuple[str, Any]:
    """The data that a page votes on, as text and read."""
    found = re.search(r'id="frames">(.*?)</script>', page)
    assert found is not None
    return found[1], json.loads(found[1])


def changed(packed: str, rows: int, length: int, change: Change) -> str:
    """Packed planes of so many rows that someone has changed."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)
    content = bytearray(planes.reshape(length, rows).T.tobytes())
    change(content)
    again = np.frombuffer(bytes(content), np.uint8).reshape(rows, length).T
    return base64.b64encode(zlib.compress(np.ascontiguousarray(again).tobytes())).decode()


def tampered(page: str, change: Change) -> str:
    """The page with frames that someone has changed."""
    text, data = data_of(page)
    data["frames"] = changed(data["frames"], data["count"], data["length"], change)
    return page.replace(text, json.dumps(data))


def with_other_voters(page: str, change: Change) -> str:
    """The page with verdicts of voters of single nodes that someone has changed."""
    text, data = data_of(page)
    voters = data["voters"]
    voters["records"] = changed(voters["records"], voters["rows"], data["length"], change)
    return page.replace(text, json.dumps(data))


def flips(*places: tuple[int, int]) -> Change:
    """A change of bits in bytes."""

    def change(content: bytearray) -> None:
        for at, bits in places:
            content[at] ^= bits

    return change


async def says(shown: Page, equal: str, texts: tuple[str, ...]) -> None:
    text = await shown.tells("document.getElementById('votes').innerText")
    assert all(part in text for part in texts), text
    assert await shown.tells("document.getElementById('votes').dataset.equal") == equal


def of_a_majority(page: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Pages of a majority, whether all in them is equal, and what they say."""
    said_otherwise, kind = (LENGTH * 40 + 34, 1), (LENGTH * 41 + 8, 3)
    signal = (LENGTH * 42 + 33, 9)  # no vote looks at it: only the digest has it
    verdict = "frame 41: verdict: recorded majority, voted again unanimous"
    both = ("78 of 80 verdicts are equal", "frame 40: verdict: recorded unanimous", verdict)
    return [
        (page, "yes", ("80 of 80 verdicts are equal", "that of the run")),
        (tampered(page, flips(said_otherwise, kind)), "no", both),
        (tampered(page, flips(signal)), "no", ("80 of 80", "it is not that of the run")),
    ]


def of_a_primary(page: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """The same of a primary: node a, which was voted out in frame 10, commands again."""
    commands = "frame 20: the one that commands: recorded a, voted again b"
    return [
        (page, "yes", ("80 of 80 verdicts are equal", "passed 2 times", "that of the run")),
        (tampered(page, flips((LENGTH * 20 + 15, 3))), "no", ("79 of 80", commands)),
    ]


def with_another_signal(folder: Path) -> None:
    """Change the record: the voter of c received another signal from a, at which no vote looks."""
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        query = "SELECT verdict FROM replicas WHERE frame = 10 AND node = 2"
        verdict = bytearray(db.execute(query).fetchone()[0])
        verdict[33] ^= 9
        change = "UPDATE replicas SET verdict = ? WHERE frame = 10 AND node = 2"
        db.execute(change, (bytes(verdict),))


def of_voters(page: str, forged: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """The same of voters of four nodes, which had different views in three frames; `forged` is the
    page of a record in which a signal was changed."""
    long = record_length(4)
    verdict_of_d = (long * 3 + 8, 3)  # in frame 10
    view_of_c = (long * (4 + 2) + 32 + 18 + 2, 1)  # in frame 30: what it got from b
    other_frame = (long * 8, 1)  # the voter of a in frame 50 voted on frame 51
    differs = (
        "77 of 80 verdicts are equal",
        "frame 10, voter of d: verdict: recorded",
        "frame 30, voter of c: ",
        "frame 50: its voters cannot be read",
        "it is not that of the record",
    )
    # The frame was released otherwise than its voters decided, who are as they were.
    mask, own = flips((long * 10 + 13, 1)), flips(*((long * i + 13, 1) for i in range(4)))
    released = with_other_voters(tampered(page, mask), own)
    equal = ("80 of 80 verdicts are equal", "12 of 12 verdicts", "that of the record")
    unseen = ("80 of 80", "12 of 12", "it is not that of the record")
    by_voters = ("79 of 80", "12 of 12", "frame 10: dissenting nodes: recorded a d, voted again d")
    return [
        (page, "yes", equal),
        (with_other_voters(page, flips(verdict_of_d, view_of_c, other_frame)), "no", differs),
        (forged, "no", unseen),
        (released, "no", by_voters),
    ]


@in_a_browser
def test_the_page_votes_again_and_sees_what_was_changed(tmp_path: Path) -> None:
    folder = run(tmp_path / "v", rig=VOTERS, upsets={"events": TWO_FACED})
    voters = runs_page([folder])
    with_another_signal(folder)
    pages = [
        *of_a_majority(runs_page([run(tmp_path / "majority")])),
        *of_a_primary(runs_page([run(tmp_path / "primary", rig=PRIMARY)])),
        *of_voters(voters, runs_page([folder])),
    ]
    with chromium(tmp_path / "profile") as port:
        for number, (page, equal, texts) in enumerate(pages):
            path = tmp_path / f"{number}.html"
            path.write_text(page, encoding="utf-8")
            asyncio.run(visited(path, port, READY, partial(says, equal=equal, texts=texts)))

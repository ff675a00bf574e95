"""Voting again in the page: what it votes on, and what the voter in it says, in a real browser."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.kernel import digest64
from hil.record.reader import Reader
from hil.redundancy.byzantine import combine
from hil.redundancy.voting import Ballot, record_length, unpack, vote, vote_again
from hil.report.run_page.frames import all_numbered, numbered, plain_digests
from hil.report.run_page.voters import voters_of
from hil.report.run_report import runs_page
from tests.report.runs import LAST_TICK, run

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


HITS = [
    {"frame": frame, "node": node, "target": "output", "tick": LAST_TICK, "bit": bit}
    for frame, node, bit in (
        (20, "a", 63),  # quaternion[0]
        (20, "b", 316),  # gyro_bias[0], exponent: no two outputs are identical
        (40, "c", 257),  # gyro_bias[0], a last bit: agreement
        (41, "a", 62),
        (41, "b", 126),
        (41, "c", 190),
    )
]
MID_VALUE = {"kind": "mid_value", "tolerance": 1e-9}
SMOOTHING = {"kind": "smoothing", "tolerance": 1e-9, "reach": 1e-9, "hold_frames": 2}


def by_value(folder: Path, voter: object, events: object = HITS, **rig: object) -> str:
    """The page of a run whose voter compares values."""
    rig = {"scheme": "tmr", "board": "inproc", "voter": voter, **rig}
    more = {"upsets": {"events": events}, "recovery": {"rollbacks": 0}, "expect": {}}
    return runs_page([run(folder, rig=rig, **more)])


@pytest.mark.parametrize(("voter", "frames"), [(MID_VALUE, [20, 40, 41]), (SMOOTHING, None)])
def test_a_page_has_the_outputs_of_frames_in_which_they_differ(
    tmp_path: Path, voter: object, frames: list[int] | None
) -> None:
    """And of the frame before, if a value is remembered."""
    _, data = data_of(by_value(tmp_path / "r", voter))
    values = data["values"]
    heads = unpacked(values["heads"], values["frames"], 6)
    numbers = [int.from_bytes(head[:4].tobytes(), "little") for head in heads]
    assert numbers == (frames or [19, 20, 39, 40, 41])
    assert len(unpacked(values["outputs"], values["rows"], 56)) == values["rows"] <= 4 * len(heads)
    assert values["until"] == data["count"] == 80


def test_a_page_that_would_be_too_large_has_the_first_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.report.run_page.values._RAW_MAX", 8 * 56)
    page = by_value(tmp_path / "r", MID_VALUE)
    assert data_of(page)[1]["values"]["until"] == 41
    assert "it votes on the first 41 of 80 frames" in page


def test_outputs_are_compressed_until_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.report.run_page.values._PACKED_MAX", 150)
    values = data_of(by_value(tmp_path / "r", MID_VALUE))[1]["values"]
    assert values["until"] in (20, 40, 41) and len(base64.b64decode(values["outputs"])) <= 150


def test_numbers_take_the_place_of_digests_where_outputs_are_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.report.run_page.frames._BYTES_MAX", 1000)
    _, data = data_of(by_value(tmp_path / "r", MID_VALUE))
    frames = unpacked(data["frames"], 80, LENGTH)
    agreed = frames[:, 16:24].copy().view("<u8").ravel()
    assert data["numbered"]
    assert [frame for frame in range(80) if agreed[frame] > 8] == [20, 40, 41]


CHECKED = {
    "scheme": "doer_checkers",
    "board": "inproc",
    "checkers": {"workload": "dense-int8", "bounds": {"class": 0, "logits": 0.7}},
}
OF_CHECKED = [
    {"frame": 10, "node": "a", "target": "state", "bit": 3000},  # a weight far too large: refused
    {"frame": 20, "node": "b", "target": "state", "bit": 30},
    {"frame": 30, "node": "a", "target": "cpu", "sefi": "crash"},
]


def with_checkers(folder: Path) -> Path:
    """A run of a doer with two checkers."""
    upsets = {"events": OF_CHECKED}
    return run(folder, workload="dense-fp32", seed=7, rig=CHECKED, upsets=upsets, expect={})


def test_a_page_has_the_outputs_of_all_frames_in_which_a_doer_is_judged(tmp_path: Path) -> None:
    """Of the doer, and of checkers with different ones each."""
    folder = with_checkers(tmp_path / "r")
    checked = data_of(runs_page([folder]))[1]["checked"]
    with closing(Reader(folder / "run.db")) as reader:
        content = b"".join(data for _, _, data in reader.blocks())
    records = [content[at : at + LENGTH] for at in range(0, len(content), LENGTH)]
    heads = unpacked(checked["heads"], checked["frames"], 5)
    rows = [iter(unpacked(checked["outputs"][i], checked["rows"][i], 44)) for i in (0, 1)]
    judged = [v for v in map(unpack, records) if v.ballots[0].status == 0]
    assert [int.from_bytes(head[:4].tobytes(), "little") for head in heads] == [
        v.frame for v in judged
    ]
    assert checked["until"] == 80 and 60 < len(judged) < 80
    for verdict, head in zip(judged, heads, strict=True):
        digests = {}
        for node in range(3):
            if head[4] >> node & 1:
                output = next(rows[node > 0]).tobytes()
                digests[node] = digest64(output)
                assert digests[node] == verdict.ballots[node].output_digest
        assert {b.output_digest for b in verdict.ballots} <= {*digests.values()}
    assert not [*rows[0], *rows[1]]


def test_a_page_of_a_doer_that_would_be_too_large_has_the_first_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_checkers(tmp_path / "r")
    with monkeypatch.context() as patch:
        patch.setattr("hil.report.run_page.checked._PACKED_MAX", 2500)
        page = runs_page([folder])
    until = data_of(page)[1]["checked"]["until"]
    assert 10 < until < 80
    assert f"would make this page too large: it votes on the first {until} of 80 frames" in page
    with monkeypatch.context() as patch:
        patch.setattr("hil.report.run_page.checked._RAW_MAX", 25 * 88)
        assert data_of(runs_page([folder]))[1]["checked"]["until"] == 26


def test_a_page_does_not_vote_on_frames_whose_outputs_nobody_has(tmp_path: Path) -> None:
    """The record is that of another seed."""
    folder = with_checkers(tmp_path / "r")
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        change = "UPDATE meta SET value = json_set(value, '$.seed', 8) WHERE key = 'scenario'"
        assert db.execute(change).rowcount == 1
    assert "this hil computes other ones" in runs_page([folder])


def data_of(page: str) -> tuple[str, Any]:
    """The data that a page votes on, as text and read."""
    found = re.search(r'id="frames">(.*?)</script>', page)
    assert found is not None
    return found[1], json.loads(found[1])


def unpacked(packed: str, rows: int, length: int) -> Any:
    """Rows of so many bytes out of their planes."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)
    return planes.reshape(length, rows).T


aiohttp = pytest.importorskip("aiohttp", reason="the extra `web` is not installed")

from tests.browser import CHROMIUM, Page, chromium, visited  # noqa: E402

in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


READY = "document.getElementById('votes')?.dataset.equal"


Change = Callable[[bytearray], None]


def changed(packed: str, rows: int, length: int, change: Change) -> str:
    """Packed planes of so many rows that someone has changed."""
    content = bytearray(unpacked(packed, rows, length).tobytes())
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


def with_other_outputs(page: str, change: Change) -> str:
    """The page with outputs of nodes that someone has changed."""
    text, data = data_of(page)
    values = data["values"]
    length = values["output_len"]
    values["outputs"] = changed(values["outputs"], values["rows"], length, change)
    return page.replace(text, json.dumps(data))


def with_other_rules(page: str, change: Change) -> str:
    """The page with rules of its voter that someone has changed."""
    text, data = data_of(page)
    rules = bytearray(base64.b64decode(data["values"]["rules"]))
    change(rules)
    data["values"]["rules"] = base64.b64encode(rules).decode()
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


def of_values(mid_value: str, smoothing: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """The same of voters by value: frame 20 has its three outputs in rows 0 to 2, and frame 41 what
    left the system in row 11. The rules are those of other bytes."""
    other = with_other_outputs(mid_value, flips((56 + 3, 8), (11 * 56, 1)))
    other = tampered(other, flips((LENGTH * 40 + 12, 4), (LENGTH * 40 + 13, 4)))
    rules = with_other_rules(mid_value, flips((4, 1)))
    differs = (
        "77 of 80",
        "frame 20: the output of b is not that of its digest",
        "frame 40: agreeing nodes: recorded a b, voted again a b c",
        "frame 41: the output that left the system was recorded as",
    )
    equal = ("80 of 80 verdicts are equal", "compared in 5 of the 5", "that of the run")
    return [
        (smoothing, "yes", equal),
        (other, "no", differs),
        (rules, "no", ("the rules of this page are damaged",)),
    ]


def without_what_was_released(folder: Path) -> tuple[str, str, tuple[str, ...]]:
    """The page of a run by value in whose record the output of one frame was removed."""
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        db.execute("UPDATE frames SET value = NULL WHERE frame = 41")
    missing = "frame 41: the output that left the system is missing"
    return runs_page([folder]), "no", ("79 of 80", missing)


def of_voters_by_value(page: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """The same of voters of four nodes that compare values."""
    text, data = data_of(page)
    voters = data["voters"]
    evidence = bytearray(zlib.decompress(base64.b64decode(voters["evidence"])))
    evidence[60] ^= 1
    voters["evidence"] = base64.b64encode(zlib.compress(evidence)).decode()
    received = page.replace(text, json.dumps(data))
    differs = ("79 of 80", "received is not that of its digest", "it is not that of the record")
    equal = ("80 of 80 verdicts are equal", "12 of 12 verdicts", "that of the record")
    return [(page, "yes", equal), (received, "no", differs)]


def of_checkers(page: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """The same of a doer with two checkers, whose result is refused in frame 10."""
    text, data = data_of(page)
    checked = data["checked"]
    accepted = flips((LENGTH * 10 + 14, 0), (LENGTH * 10 + 15, 3))  # in place of b
    verdict = "frame 10: the one that commands: recorded a, voted again b"
    first = changed(checked["outputs"][0], checked["rows"][0], 44, flips((5 * 44 + 7, 1)))
    bounds = bytearray(base64.b64decode(checked["bounds"]))
    bounds[32 + 16 : 32 + 24] = struct.pack("<d", 1e-3)  # of the logits
    narrow = base64.b64encode(bytes(bounds)).decode()
    bounds[32] = 77
    damaged = base64.b64encode(bytes(bounds)).decode()

    def other(**values: object) -> str:
        return page.replace(text, json.dumps({**data, "checked": {**checked, **values}}))

    output = "frame 5: the output of a is not that of its digest"
    return [
        (page, "yes", ("80 of 80 verdicts are equal", "judged in", "that of the run")),
        (tampered(page, accepted), "no", ("79 of 80", verdict)),
        (other(outputs=[first, checked["outputs"][1]]), "no", (output,)),
        (other(bounds=narrow), "no", ("frame 0: verdict: recorded", "voted again majority")),
        (other(bounds=damaged), "no", ("the bounds of this page are damaged",)),
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
    per_node = {"scheme": "4mr", "voter_per_node": True}
    pages += of_values(by_value(tmp_path / "m", MID_VALUE), by_value(tmp_path / "s", SMOOTHING))
    pages.append(without_what_was_released(tmp_path / "m"))
    pages += of_voters_by_value(by_value(tmp_path / "4mr", MID_VALUE, TWO_FACED, **per_node))
    pages += of_checkers(runs_page([with_checkers(tmp_path / "checked")]))
    with chromium(tmp_path / "profile") as port:
        for number, (page, equal, texts) in enumerate(pages):
            path = tmp_path / f"{number}.html"
            path.write_text(page, encoding="utf-8")
            asyncio.run(visited(path, port, READY, partial(says, equal=equal, texts=texts)))

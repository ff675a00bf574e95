"""Runs whose voter decides by values: their verdicts, repairs, record, and the vote again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.kernel import digest64, workload
from hil.record.digest import hex64
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.record.seal import SEAL, seal_of
from hil.redundancy.voting import unpack
from hil.scenario import Scenario
from hil.verification.findings import Verification
from hil.verification.replay import verify
from hil.views.listing import moments
from tests.amount import mostly_slow
from tests.between_frames import between_frames

from .snapshots import snapshot_every_frame

LAST_TICK = workload("attitude").ticks
SIGN_OF_Q0, EXPONENT_OF_Q1, LOW_BIT_OF_BIAS = 63, 64 + 60, 8 * 32 + 1
KINDS = ["mid_value", "smoothing", "tolerance", "plurality", "bitwise"]
KINDS += ["generalised_median", "history", "held_mean"]


def hit(frame: int, node: str, bit: int, **more: Any) -> dict[str, Any]:
    at = {"target": "output", "tick": LAST_TICK, **more}
    return {"frame": frame, "node": node, "bit": bit, **at}


def scenario(voter: object, events: list[dict[str, Any]], **more: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "value-vote",
            "workload": "attitude",
            "seed": 5,
            "frames": 60,
            "rig": {"scheme": "tmr", "board": "inproc", "voter": voter},
            "upsets": {"events": events},
            "expect": {"sdc_frames": ">= 0", "unexplained": 0},
            **more,
        }
    )


def run(s: Scenario, out: Path, **more: Any) -> RunResult:
    out.mkdir(exist_ok=True)
    return Loop(s, out, **more).run()


def verified(out: Path) -> Verification:
    reader = Reader(out)
    try:
        return verify(reader)
    finally:
        reader.close()


def frame(out: Path, number: int) -> dict[str, Any]:
    reader = Reader(out)
    row = reader.rows("SELECT * FROM frames WHERE frame = ?", number)[0]
    values = dict(row)
    reader.close()
    return values


HITS = [
    hit(20, "a", SIGN_OF_Q0),
    hit(20, "b", EXPONENT_OF_Q1),
    hit(30, "c", LOW_BIT_OF_BIAS),
    {"frame": 40, "node": "b", "target": "state", "bit": 9},
]


@pytest.mark.parametrize("kind", mostly_slow(KINDS, keep=2))
@pytest.mark.parametrize("state", mostly_slow(["exact", "ignore"], keep=1))
def test_a_run_is_voted_again_from_its_outputs(kind: str, state: str, tmp_path: Path) -> None:
    voter: dict[str, Any] = {"kind": kind, "state": state}
    if kind != "bitwise":
        voter |= {"tolerance": 1e-9}
    if kind == "smoothing":
        voter |= {"reach": 0.1}
    result = run(scenario(voter, HITS), tmp_path / "r")
    assert result.unexplained == 0 and result.upsets.injected == len(HITS)
    checked = verified(tmp_path / "r")
    assert checked.ok, checked.differences
    assert checked.outputs >= 3 * 3


def test_two_nodes_hit_in_different_fields_do_not_stop_the_output(tmp_path: Path) -> None:
    """By the exact majority there is none of such a frame until it is computed again."""
    hits = [hit(20, "a", SIGN_OF_Q0), hit(20, "b", 8 * 32 + 62)]
    for voter, kind in (("exact", "no_majority"), ("mid_value", "majority")):
        out = tmp_path / voter
        s = scenario(voter, hits, recovery={"rollbacks": 0})
        result = run(s, out)
        row = frame(out, 20)
        assert row["verdict"] == kind and bool(row["flags"] & 3 == 3) is (voter == "mid_value")
        assert result.availability == (1.0 if voter == "mid_value" else 59 / 60)
        assert verified(out).ok


def test_a_difference_within_the_tolerance_is_delivered_as_right(tmp_path: Path) -> None:
    voter = {"kind": "mid_value", "tolerance": 1e-9}
    result = run(scenario(voter, [hit(30, "c", LOW_BIT_OF_BIAS)]), tmp_path / "r")
    row = frame(tmp_path / "r", 30)
    assert (row["verdict"], row["dissent"], row["agree"]) == ("unanimous", 0, 0b111)
    assert result.upsets.by_node_effect["masked"] == 1 and result.recoveries == 0


def test_the_listing_names_the_number_that_was_left_out(tmp_path: Path) -> None:
    run(scenario("mid_value", [hit(20, "a", SIGN_OF_Q0)]), tmp_path / "r")
    reader = Reader(tmp_path / "r")
    (moment,) = (m for m in moments(reader) if m.frame == 20)
    reader.close()
    (text,) = moment.dissent
    found, right = text.removeprefix("a dissents (quaternion[0] ").removesuffix(")").split(" for ")
    assert float(found) == -float(right) != 0


def test_with_states_ignored_a_node_goes_back_to_its_own_checkpoint(tmp_path: Path) -> None:
    voter = {"kind": "mid_value", "tolerance": 1e-9, "state": "ignore"}
    events = [
        {"frame": 40, "node": "b", "target": "state", "bit": 60},
        {"frame": 50, "node": "c", "target": "cpu", "sefi": "crash"},
    ]
    result = run(scenario(voter, events), tmp_path / "r")
    reader = Reader(tmp_path / "r")
    repairs = [
        (r["node"], r["action"], r["detail"], r["bytes_moved"])
        for r in reader.rows("SELECT * FROM repairs ORDER BY id")
    ]
    reader.close()
    assert repairs == [
        ("b", "resync", "computed again from frame 32", 0),
        ("c", "restart", "computed again from frame 0", 0),
    ]
    assert result.availability == 1 and verified(tmp_path / "r").ok


def test_a_resumed_run_remembers_what_its_voter_knew(tmp_path: Path) -> None:
    voter = {"kind": "history", "tolerance": 1e-9}
    s = scenario(voter, [hit(20, "a", SIGN_OF_Q0), hit(45, "b", SIGN_OF_Q0)])
    whole = run(s, tmp_path / "whole", batch=False)
    out = tmp_path / "cut"
    out.mkdir()
    frames = iter(range(60))
    loop = Loop(s, out, batch=False, **between_frames(lambda: next(frames) == 30))
    snapshot_every_frame(loop)
    loop.run()
    again = Loop(s, out, resume_run=True, batch=False).run()
    assert again.frames == 60
    assert again.run_digest == whole.run_digest


# --- a changed record is refused ------------------------------------------------------------------


def forged(honest: Path, to: Path, change: str, *values: object) -> Verification:
    """What is found in a copy that was changed by a statement, and sealed again."""
    copy = Path(shutil.copytree(honest, to))
    with closing(sqlite3.connect(copy / "run.db")) as db, db:
        db.execute(change, values)
        made = json.dumps(seal_of(db).as_json())
        db.execute("UPDATE meta SET value = ? WHERE key = ?", (made, SEAL))
    return verified(copy)


def test_a_forger_who_seals_the_record_again_is_found(tmp_path: Path) -> None:
    honest = tmp_path / "honest"
    hits = [hit(20, "a", SIGN_OF_Q0), hit(30, "c", LOW_BIT_OF_BIAS)]
    run(scenario({"kind": "mid_value", "tolerance": 1e-9}, hits), honest)
    assert verified(honest).ok
    row = frame(honest, 20)
    with closing(sqlite3.connect(honest / "run.db")) as db:
        (output,) = db.execute("SELECT output FROM replies WHERE frame=20 AND node=2").fetchone()
        first, block = db.execute(
            "SELECT first_frame, data FROM blocks WHERE first_frame <= 20 "
            "ORDER BY first_frame DESC LIMIT 1"
        ).fetchone()
    other = bytes([output[0] ^ 1, *output[1:]])
    delivered = bytes([row["value"][3] ^ 0x40, *row["value"][1:]])
    size = 32 + 3 * 18
    record = bytearray(block)
    at = (20 - first) * size
    assert unpack(bytes(record[at : at + size])).dissent == 0b001
    record[at + 12], record[at + 13] = 0b111, 0  # all agree, nobody dissents
    changes: list[tuple[str, tuple[object, ...]]] = [
        ("UPDATE replies SET output = ? WHERE frame = 20 AND node = 2", (other,)),
        (
            "UPDATE replies SET output = ?, output_digest = ? WHERE frame = 20 AND node = 2",
            (other, hex64(digest64(other))),
        ),
        ("UPDATE frames SET value = ? WHERE frame = 20", (delivered,)),
        ("UPDATE frames SET agree = 7, dissent = 0 WHERE frame = 20", ()),
        ("UPDATE blocks SET data = ? WHERE first_frame = ?", (bytes(record), first)),
        ("DELETE FROM replies WHERE frame = 30", ()),
        ("DELETE FROM frames WHERE frame = 30", ()),
    ]
    for number, (change, values) in enumerate(changes):
        found = forged(honest, tmp_path / str(number), change, *values)
        assert not found.ok, change
        assert any(d.frame in (20, 30) for d in found.differences), (change, found.differences)

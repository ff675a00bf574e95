"""Runs with a link to the ground: what comes down, what comes up, and whether the record holds."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.errors import RecordError
from hil.kernel import Golden
from hil.record.offload_rows import OffloadRows, offload_rows
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.scenario import Scenario, parse_scenario
from hil.verification.replay import verify
from tests.between_frames import between_frames
from tests.engine.snapshots import snapshot_every_frame

SCENARIO = """
schema: 1
workload: sha256
frames: 400
frame_ms: 1000
seed: 3
rig: {scheme: dmr, board: inproc}
recovery: {rollbacks: 0, checkpoint_every: %d}
offload:
  isl: {rate_bit_s: 800, availability: 0.4, slot_s: 30}
  order: newest
  memory_bytes: 3000
  results: {every: 1, priority: 5, max_age_s: 80}
  telemetry: {every: 20, priority: 3}
  checkpoints: {every: 100, priority: 4}
  work: {priority: 1, ground_s: 0.5}
  reseed: {after_frames: 3}
upsets:
  events: %s
expect: {sdc_frames: 0, offload.wrong: 0, offload.reseeds: %d, offload.rescued: == unresolved}
"""
LOST = "[{frame: 100, node: b, target: state, bit: 5}]"


def scenario(events: str = LOST, checkpoints: int = 0) -> Scenario:
    return parse_scenario(SCENARIO % (checkpoints, events, events != "[]"))


def rows_of(folder: Path) -> OffloadRows:
    reader = Reader(folder)
    try:
        return offload_rows(reader)
    finally:
        reader.close()


def run(folder: Path, of: Scenario | None = None) -> RunResult:
    folder.mkdir()
    return Loop(of or scenario(), folder).run()


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offload") / "run"
    assert run(folder).outcome == "pass"
    return folder


def test_nodes_without_a_common_state_get_one_in_the_next_contact(honest: Path) -> None:
    """Two nodes that differ have no output, and no checkpoint: only the ground can help."""
    rows = rows_of(honest)
    (asked,) = (i for i in rows.items if i.kind == "reseed")
    assert asked.frame == 102  # the third frame without an output
    (up,) = (e for e in rows.events if e.item == asked.id and e.fate == "answered")
    assert any(c.start_us <= up.at_us <= c.end_us for c in rows.contacts)
    state_us = Golden("sha256", 3).workload.state_len * 8 * 1_000_000 // 800
    (down,) = (e for e in rows.events if e.item == asked.id and e.fate == "delivered")
    assert up.at_us >= down.at_us + state_us
    lost = [i.frame for i in rows.items if i.kind == "work"]
    assert lost == list(range(100, up.frame + 1))  # from the next frame on they agree again


def test_the_ground_gets_the_bytes_of_the_boards(honest: Path) -> None:
    golden = Golden("sha256", 3)
    for item in rows_of(honest).items:
        while golden.next_frame <= item.frame:
            golden.step()
        if item.kind == "result":
            assert item.data == golden.output
        elif item.kind == "checkpoint":
            assert item.data == golden.state
        elif item.kind == "work":
            assert (item.data, item.answer) == (golden.input, golden.output)


def test_every_item_has_one_fate_or_waits(honest: Path) -> None:
    rows = rows_of(honest)
    fates = [e.item for e in rows.events if e.fate != "answered"]
    assert len(fates) == len(set(fates))
    assert {e.fate for e in rows.events} == {"delivered", "answered", "too old", "no room"}


def test_the_same_scenario_sends_the_same(honest: Path, tmp_path: Path) -> None:
    run(tmp_path / "again")
    assert rows_of(tmp_path / "again") == rows_of(honest)


def test_a_run_that_is_resumed_sends_what_an_undisturbed_one_does(tmp_path: Path) -> None:
    """Resumed in the frame in which half of the items still wait."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run(whole, scenario("[]", 1))
    cut.mkdir()
    loop = Loop(scenario("[]", 1), cut, **between_frames(lambda: loop.next_frame == 200))
    snapshot_every_frame(loop)
    assert loop.run().outcome == "aborted"
    assert len(rows_of(cut).items) < len(rows_of(whole).items)
    assert Loop(scenario("[]", 1), cut, resume_run=True).run().outcome == "pass"
    assert rows_of(cut) == rows_of(whole)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE offload SET data = zeroblob(length(data)) WHERE id = (SELECT min(id) FROM offload)",
        "UPDATE offload SET answer = zeroblob(length(answer)) WHERE kind = 'work'",
        "UPDATE offload SET correct = 0 WHERE kind = 'result' AND frame = 7",
        "UPDATE offload_events SET at_us = at_us - 1 WHERE fate = 'delivered'",
        "UPDATE offload_events SET fate = 'delivered' WHERE fate = 'too old'",
        "DELETE FROM offload_events WHERE fate = 'answered'",
        "UPDATE contacts SET end_us = end_us + 1000000",
        "UPDATE contacts SET down_bit_s = 2 * down_bit_s",
    ],
)
def test_a_record_that_was_changed_is_found_out(honest: Path, tmp_path: Path, change: str) -> None:
    shutil.copytree(honest, tmp_path / "run")
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as db, db:
        assert db.execute(change).rowcount
    reader = Reader(tmp_path / "run")
    try:
        found = verify(reader)
    finally:
        reader.close()
    # The record digest differs in any case: it is what differs besides that counts.
    assert [d for d in found.differences if "ground" in d.what or "contact" in d.what]


def test_a_value_of_another_kind_is_a_message(honest: Path, tmp_path: Path) -> None:
    shutil.copytree(honest, tmp_path / "run")
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as db, db:
        db.execute("UPDATE offload SET at_us = 'soon' WHERE id = 2")
    with pytest.raises(RecordError, match=r"row 2 of `offload` has 'soon' as its at_us"):
        rows_of(tmp_path / "run")


def test_an_honest_record_is_verified(honest: Path) -> None:
    reader = Reader(honest)
    try:
        found = verify(reader)
    finally:
        reader.close()
    assert found.ok, found.differences
    assert any("items for the ground" in text for text in found.covered)

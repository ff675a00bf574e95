"""`hil replay`: a fresh record is verified, a tampered one is not, and frames can be looked at."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hil.record.reader import Reader
from hil.verification.replay import verify
from hil.verification.tally import tally
from tests.amount import mostly_slow
from tests.command_line import Hil, wait_for_row

HEADER = 32  # bytes of a packed frame before its nodes: hil.record.schema
NODE = 18


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with upsets, crashes and repairs."""
    folder = tmp_path_factory.mktemp("recorded")
    hil = Hil(folder)
    words = ("--frames", 1100, "--boards", "process", "--out", "r", "-q")
    done = hil("run", "quickstart", *words)
    assert done.code == 0, done.err
    return folder / "r"


@pytest.fixture
def run(recorded: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(recorded, tmp_path / "r"))


def change(run: Path, *statements: str) -> None:
    with closing(sqlite3.connect(run / "run.db")) as db, db:
        for statement in statements:
            assert db.execute(statement).rowcount == 1, statement


def flip(run: Path, frame: int, at: int) -> None:
    """Flip a bit of a packed frame: byte `at` of it."""
    with closing(sqlite3.connect(run / "run.db")) as db, db:
        nodes = db.execute("SELECT count(*) FROM nodes").fetchone()[0]
        first, data = db.execute(
            "SELECT first_frame, data FROM blocks WHERE first_frame <= ? "
            "ORDER BY first_frame DESC LIMIT 1",
            (frame,),
        ).fetchone()
        changed = bytearray(data)
        changed[(frame - first) * (HEADER + nodes * NODE) + at] ^= 1
        db.execute("UPDATE blocks SET data=? WHERE first_frame=?", (bytes(changed), first))


# --- what is whole --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "boards", "scheme", "code"),
    [
        ("memory-storm", "inproc", "dmr", 1),
        pytest.param("one-node-dies", "inproc", "5mr", 1, marks=pytest.mark.slow),
        ("seu-storm", "process", "simplex", 1),
        pytest.param("memory-storm", "inproc", "simplex", 1, marks=pytest.mark.slow),
        pytest.param("memory-storm", "inproc", "7mr", 0, marks=pytest.mark.slow),
        pytest.param("two-faults", "inproc", "tmr", 1, marks=pytest.mark.slow),
        pytest.param("hang", "process", "tmr", 1, marks=pytest.mark.slow),
        pytest.param("seu-storm", "process", "dmr", 1, marks=pytest.mark.slow),
    ],
)
def test_fresh_runs_are_verified(
    hil: Hil, scenario: str, boards: str, scheme: str, code: int
) -> None:
    """So few frames are less than most of them expect."""
    words = ("--boards", boards, "--scheme", scheme, "--frames", 400)
    done = hil("run", scenario, *words, "--out", "r", "--json")
    assert done.code == code, done.err
    answer = hil("replay", "r", "--verify", "--json")
    assert answer.code == 0, answer.out
    assert answer.json["verified"] is True
    assert answer.json["complete"] is True
    assert answer.json["frames"] == 400
    assert answer.json["run_digest"] == done.json["run_digest"]


@pytest.mark.slow
def test_verifying_tells_what_was_compared(hil: Hil, run: Path) -> None:
    done = hil("replay", run, "--verify")
    assert done.code == 0
    assert "✔ verified" in done.out
    assert "1,100 frames voted again" in done.out
    assert done.err == ""


def test_the_record_counts_to_its_own_result(run: Path) -> None:
    reader = Reader(run)
    counted, result = tally(reader).as_json(), reader.meta_json("result")
    assert isinstance(result, dict)
    for key in ("frames", "verdicts", "availability", "recoveries", "slips", "unexplained"):
        assert counted[key] == result[key], key
    reader.close()


def test_a_copied_database_alone_is_verified(hil: Hil, run: Path) -> None:
    (run / "manifest.json").unlink()
    assert hil("replay", run / "run.db", "--verify").code == 0


# --- what was changed -----------------------------------------------------------------------------

OUTPUT_OF_A = HEADER + 2
STATE_OF_B = HEADER + NODE + 10

TAMPERED: dict[str, tuple[Callable[[Path], None], str]] = {
    "an output digest of a ballot": (lambda run: flip(run, 50, OUTPUT_OF_A), "frame 50: "),
    "a state digest of a ballot": (lambda run: flip(run, 50, STATE_OF_B), "frame 50: "),
    "the agreed output digest": (lambda run: flip(run, 51, 16), "frame 51: agreed output"),
    "the verdict of a packed frame": (lambda run: flip(run, 52, 8), "frame 52: "),
    "the voters of a packed frame": (lambda run: flip(run, 52, 10), "the run: run digest"),
    "the number of a packed frame": (lambda run: flip(run, 53, 0), "frame 53: "),
    "the number of nodes of a packed frame": (lambda run: flip(run, 53, 9), "frame 53: "),
    "a verdict row": (
        lambda run: change(run, "UPDATE frames SET verdict='unanimous' WHERE frame=200"),
        "frame 200: `verdict` of its row in `frames`: recorded unanimous, now majority",
    ),
    "a dissent mask": (
        lambda run: change(run, "UPDATE frames SET dissent=1 WHERE frame=200"),
        "frame 200: ",
    ),
    "a golden digest": (
        lambda run: change(
            run, "UPDATE frames SET golden_output='00000000deadbeef' WHERE frame=200"
        ),
        "frame 200: output is the golden one",
    ),
    "a delivered output": (
        lambda run: change(run, "UPDATE frames SET value=zeroblob(length(value)) WHERE frame=200"),
        "frame 200: digest of the delivered output",
    ),
    "a reply's output": (
        lambda run: change(
            run,
            "UPDATE replies SET output=zeroblob(length(output)) WHERE frame=200 AND node=1 "
            "AND execution=0",
        ),
        "frame 200: digest of the output of node b",
    ),
    "a reply's status": (
        lambda run: change(run, "UPDATE replies SET status='hung' WHERE frame=200 AND node=2"),
        "frame 200: `status` of node c",
    ),
    "a reply less": (
        lambda run: change(run, "DELETE FROM replies WHERE frame=200 AND node=2"),
        "frame 200: ",
    ),
    "a notable frame less": (
        lambda run: change(run, "DELETE FROM frames WHERE frame=200"),
        "frame 200: its row in `frames`: recorded missing",
    ),
    "a frame too many": (
        lambda run: change(run, "UPDATE frames SET frame=5000 WHERE frame=200"),
        "frame 200: ",
    ),
    "a block less": (
        lambda run: change(
            run,  # that of a frame with rows of its own: time cuts blocks, the last may have none
            "DELETE FROM blocks WHERE first_frame="
            "(SELECT max(first_frame) FROM blocks WHERE first_frame <= 200)",
        ),
        "frame ",
    ),
    "an upset's effect": (
        lambda run: change(run, "UPDATE upsets SET effect='masked' WHERE effect='hang'"),
        "the run: ",
    ),
    "an upset's bit": (
        lambda run: change(run, "UPDATE upsets SET bit=bit+1 WHERE id=1"),
        "the run: run digest",
    ),
    "a transition's frame": (
        lambda run: change(run, "UPDATE transitions SET frame=frame+1 WHERE id=1"),
        "the run: run digest",
    ),
    "the outcome": (
        lambda run: change(
            run,
            "UPDATE meta SET value=CASE value WHEN 'pass' THEN 'fail' ELSE 'pass' END "
            "WHERE key='outcome'",
        ),
        "the run: outcome",
    ),
    "the result": (
        lambda run: change(
            run,
            "UPDATE meta SET value=json_replace(value, '$.availability', 0.5) WHERE key='result'",
        ),
        "the run: `availability`",
    ),
}


@pytest.mark.parametrize("what", mostly_slow(TAMPERED, keep=4))
def test_a_tampered_record_exits_1_and_names_the_place(hil: Hil, run: Path, what: str) -> None:
    tamper, place = TAMPERED[what]
    tamper(run)
    done = hil("replay", run, "--verify")
    assert done.code == 1
    assert "✘ DIFFERS" in done.out
    (first,) = (line for line in done.out.splitlines() if line.startswith("   first: "))
    assert first.removeprefix("   first: ").startswith(place)


def test_differences_as_json(hil: Hil, run: Path) -> None:
    flip(run, 50, OUTPUT_OF_A)
    done = hil("replay", run, "--verify", "--json")
    assert done.code == 1
    assert done.json["verified"] is False
    assert done.json["differences"] >= 2  # the frame, and the run digest
    assert done.json["first_differences"][0]["frame"] == 50


def test_a_tampered_manifest_differs(hil: Hil, run: Path) -> None:
    path = run / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["run_digest"] = hashlib.sha256(b"other").hexdigest()
    path.write_text(json.dumps(content), encoding="utf-8")
    done = hil("replay", run, "--verify")
    assert done.code == 1
    assert "`run_digest` in manifest.json" in done.out


@pytest.mark.parametrize("text", mostly_slow(["", "{", "[]", "\x00"], keep=2))
def test_a_broken_manifest_differs(hil: Hil, run: Path, text: str) -> None:
    (run / "manifest.json").write_text(text, encoding="utf-8")
    done = hil("replay", run, "--verify")
    assert done.code == 1
    assert "manifest.json" in done.out


@pytest.mark.slow
def test_every_bit_of_a_packed_frame_matters(run: Path) -> None:
    """Whatever is flipped in a frame: it differs, or it is a digest that the run digest covers."""
    reader = Reader(run)
    nodes = len(reader.node_names)
    reader.close()
    for at in range(HEADER + nodes * NODE):
        flip(run, 60, at)
        reader = Reader(run)
        assert not verify(reader).ok, f"byte {at}"
        reader.close()
        flip(run, 60, at)
    reader = Reader(run)
    assert verify(reader).ok
    reader.close()


# --- what is no run, or none yet ------------------------------------------------------------------


@pytest.mark.parametrize("words", [("--verify",), (), ("--summary",), ("--json",)])
def test_no_run_exits_2(hil: Hil, words: tuple[str, ...]) -> None:
    (hil.cwd / "empty").mkdir()
    for place in ("nowhere", "empty", "."):
        done = hil("replay", place, *words)
        assert done.code == 2
        assert "there is no run at" in done.err


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + bytes(900)])
def test_a_file_that_is_no_record_exits_3(hil: Hil, content: bytes) -> None:
    (hil.cwd / "run.db").write_bytes(content)
    done = hil("replay", ".", "--verify")
    assert done.code == 3
    assert "run.db" in done.err


def test_a_truncated_record_exits_3(hil: Hil, run: Path) -> None:
    whole = (run / "run.db").read_bytes()
    (run / "run.db").write_bytes(whole[: len(whole) // 2])
    done = hil("replay", run, "--verify")
    assert done.code == 3
    assert "run.db" in done.err


def test_a_newer_record_exits_3(hil: Hil, run: Path) -> None:
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute("PRAGMA user_version=99")
    done = hil("replay", run)
    assert done.code == 3
    assert "newer hil" in done.err


@pytest.mark.slow
def test_a_run_that_goes_on_can_be_watched_and_verified_so_far(hil: Hil) -> None:
    words = ("--pace", "realtime", "--duration", "1h", "--boards", "inproc", "--out", "r")
    process = hil.start("run", "memory-storm", *words)
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM frames", process)
    try:
        done = hil("replay", "r", "--verify")
        assert done.code == 0, done.out
        assert "the run is not finished: verified as far as it goes" in done.out
        assert hil("replay", "r", "--summary").out.startswith("  ▲ UNFINISHED")
        assert hil("replay", "r").code == 0
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    again = hil("replay", "r", "--verify", "--json")
    assert again.code == 0, again.out
    assert again.json["complete"] is False
    assert again.json["frames"] > 0


# --- looking at frames ----------------------------------------------------------------------------


def test_notable_frames_are_lines(hil: Hil, run: Path) -> None:
    done = hil("replay", run)
    lines = done.out.splitlines()
    (dissent,) = (line for line in lines if line.startswith("      200"))
    assert "2.000 s" in dissent
    assert "majority" in dissent
    assert "b dissents" in dissent
    assert "b output bit: sdc" in dissent
    assert "resync b" in dissent
    (crash,) = (line for line in lines if line.startswith("      900"))
    assert "c SIGILL" in crash
    assert "restart c" in crash
    assert "notable frames of 1,100" in done.err


def test_frames_can_be_chosen(hil: Hil, run: Path) -> None:
    for text, first, last in (("190:210", 190, 210), ("1000:", 1000, 1100), (":150", 0, 150)):
        found = hil("replay", run, "--frames", text, "--json").json["frames"]
        assert found
        assert all(first <= moment["frame"] <= last for moment in found)
    (only,) = hil("replay", run, "--frames", "200", "--json").json["frames"]
    assert only["frame"] == 200
    assert only["dissent"] == ["b dissents"]
    assert hil("replay", run, "--frames", "1:2").out == ""


@pytest.mark.parametrize("text", ["a:b", "9:1", "-1:5", "1:2:3", ":" * 3, "1.5"])
def test_a_wrong_range_exits_2(hil: Hil, run: Path, text: str) -> None:
    done = hil("replay", run, f"--frames={text}")
    assert done.code == 2
    assert "is not a valid range of frames" in done.err


def test_the_summary_can_be_shown_again(hil: Hil, run: Path) -> None:
    done = hil("replay", run, "--summary")
    assert done.code == 0
    assert "Injected faults by target" in done.out
    assert "run digest" in done.out


def test_verify_looks_at_all_frames(hil: Hil, run: Path) -> None:
    assert hil("replay", run, "--verify", "--frames", "1:2").code == 2

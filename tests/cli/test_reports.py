"""However a run ends: exit code, JSON, manifest.json, junit.xml and the record say the same."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from xml.dom import minidom

import pytest
from lxml import etree

from tests.amount import mostly_slow
from tests.command_line import HIL, Hil, clean_env, wait_for_row

TINY = "schema: 1\nworkload: sha256\nframes: 60\nrig: {board: inproc}\n"
STUCK = "target: output, bit: 5, pattern: stuck, permanent: true"
WRONG = (
    TINY + f"upsets: {{events: [{{frame: 9, node: b, {STUCK}}}, {{frame: 9, node: c, {STUCK}}}]}}\n"
)
MISSED = (
    TINY + "recovery: {resyncs: 0, restarts: 0, resets: 0, power_cycles: 0}\n"
    "upsets: {events: [{frame: 30, node: a, target: cpu, sefi: hang}, "
    "{frame: 31, node: a, target: state}]}\n"
)


@cache
def junit_schema() -> Any:
    """The schema with which the xUnit plugin of Jenkins checks reports (under the MIT licence)."""
    return etree.XMLSchema(file=str(Path(__file__).parent / "schemas" / "junit-10.xsd"))


def junit(folder: Path) -> tuple[Any, dict[str, int]]:
    """The suite, read by another parser than it was written with, and what its cases add up to."""
    junit_schema().assertValid(etree.fromstring((folder / "junit.xml").read_bytes()))
    suite = minidom.parse(str(folder / "junit.xml")).documentElement  # noqa: S318 - our own file
    assert suite is not None and suite.tagName == "testsuite"
    cases = suite.getElementsByTagName("testcase")
    tags = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = {name: len(suite.getElementsByTagName(tag)) for name, tag in tags.items()}
    assert {name: int(suite.getAttribute(name)) for name in counts} == counts
    assert int(suite.getAttribute("tests")) == len(cases) > 0
    assert all(float(element.getAttribute("time")) >= 0 for element in (suite, *cases))
    assert len(suite.getAttribute("timestamp")) == len("2026-11-22T10:30:27")
    return suite, counts


def agree(folder: Path, code: int, answer: dict[str, Any] | None) -> str:
    """The outcome that all of them say."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    outcome = manifest["outcome"]
    assert manifest["exit_code"] == code
    assert (
        code
        in {"pass": (0,), "untested": (0,), "fail": (1,), "error": (2, 3), "aborted": (130,)}[
            outcome
        ]
    )
    if answer is not None:
        assert (answer["outcome"], answer["exit_code"]) == (outcome, code)
    suite, counts = junit(folder)
    properties = {
        p.getAttribute("name"): p.getAttribute("value")
        for p in suite.getElementsByTagName("property")
    }
    assert (properties["outcome"], properties["exit_code"]) == (outcome, str(code))
    assert (counts["failures"] > 0) == (outcome == "fail")
    assert (counts["errors"] > 0) == (outcome in ("error", "aborted"))
    if (folder / "run.db").exists():
        with closing(sqlite3.connect(folder / "run.db")) as db:
            row = db.execute("SELECT value FROM meta WHERE key='outcome'").fetchone()
        assert row == (outcome,)
    return str(outcome)


@pytest.mark.parametrize(
    ("text", "code", "outcome"),
    mostly_slow(
        [
            (TINY, 0, "pass"),
            (WRONG, 1, "fail"),
            (TINY + "expect: none\n", 0, "untested"),
            (TINY + "color: red\n", 2, "error"),
            (TINY + "expect: {slips: 0}\n", 0, "pass"),
            (TINY + "expect: {recoveries: 7}\n", 1, "fail"),
            (WRONG + "expect: {frames: 60}\n", 1, "fail"),
            (WRONG + "expect: none\n", 0, "untested"),
            (MISSED, 1, "fail"),
            (MISSED + "expect: none\n", 1, "fail"),
            (
                TINY.replace("inproc", "serial, nodes: [{name: a, port: /dev/hil-none}]").replace(
                    "rig: {", "rig: {scheme: simplex, "
                ),
                3,
                "error",
            ),
        ],
        keep=4,
    ),
)
def test_all_agree(hil: Hil, text: str, code: int, outcome: str) -> None:
    hil.write("s.yaml", text)
    done = hil("run", "s.yaml", "--out", "r", "--json")
    assert done.code == code, done.err
    assert agree(hil.cwd / "r", code, done.json) == outcome
    if code >= 2:
        assert done.json["message"] and "remedy" in done.json


def test_the_missed_event_is_in_the_last_line(hil: Hil) -> None:
    hil.write("s.yaml", MISSED)
    done = hil("run", "s.yaml")
    assert done.out.splitlines()[-1].endswith("FAIL   1 of 2 planned events was not injected")


def test_a_failure_has_the_limit_beside_what_was_measured(hil: Hil) -> None:
    hil.write("s.yaml", TINY + "expect: {recoveries: 7}\n")
    hil("run", "s.yaml", "--out", "r")
    suite, _ = junit(hil.cwd / "r")
    (failure,) = suite.getElementsByTagName("failure")
    assert failure.getAttribute("message") == "measured 0, expected == 7"


def test_a_run_that_a_signal_ends_is_an_error_that_names_who_and_how_much_is_missing(
    hil: Hil,
) -> None:
    hil.write("s.yaml", TINY.replace("frames: 60", "frames: 100000\npace: realtime"))
    process = hil.start("run", "s.yaml", "--out", "r", "--json")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    answer = json.loads(out)
    assert agree(hil.cwd / "r", process.returncode, answer) == "aborted"
    suite, _ = junit(hil.cwd / "r")
    message = suite.getElementsByTagName("error")[0].getAttribute("message")
    missing = 100_000 - answer["frames"]
    assert message == (
        f"ended by the user after {answer['frames']:,} of 100,000 frames: {missing:,} are missing"
    )


def test_a_run_that_is_killed_leaves_an_error(hil: Hil) -> None:
    hil.write("s.yaml", TINY.replace("frames: 60", "frames: 100000\npace: realtime"))
    process = hil.start("run", "s.yaml", "--out", "r")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
    process.kill()
    process.communicate(timeout=30)
    _, counts = junit(hil.cwd / "r")
    assert counts["errors"] == 1
    manifest = json.loads((hil.cwd / "r" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["outcome"] == "running"


@pytest.mark.parametrize(
    "name",
    mostly_slow(
        [
            b"r\x01x",
            b"r\x1b]0;x\x07",
            b"r\xff\xfe",
            b"r\"<&>'",
            b"r\nline\ttab",
            "r\ufffe".encode(),
            "r\u00e4\U0001f600".encode(),
        ],
        keep=3,
    ),
)
def test_reports_are_well_formed_whatever_the_folder_is_called(hil: Hil, name: bytes) -> None:
    hil.write("s.yaml", TINY)
    folder = os.fsdecode(name)
    done = hil("run", "s.yaml", "--out", folder, "-q")
    assert done.code == 0
    assert agree(hil.cwd / folder, 0, None) == "pass"


@pytest.mark.parametrize(
    "words", mostly_slow([("s.yaml", "--frames", "many"), ("nosuch",), ("--frobnicate",)], keep=1)
)
def test_a_run_that_is_there_is_not_touched_by_a_wrong_command_line(
    hil: Hil, words: tuple[str, ...]
) -> None:
    hil.write("s.yaml", TINY)
    hil("run", "s.yaml", "--out", "r", "-q")
    before = {p.name: p.read_bytes() for p in (hil.cwd / "r").iterdir()}
    assert hil("run", *words, "--out", "r", "--json").code == 2
    assert hil("run", "s.yaml", "--out=r", "--json").code == 2
    assert {p.name: p.read_bytes() for p in (hil.cwd / "r").iterdir()} == before
    (hil.cwd / "r" / "run.db").unlink()  # archived without its record: still a run's reports
    before.pop("run.db")
    assert hil("run", "s.yaml", "--out", "r", "--json").code == 2
    assert {p.name: p.read_bytes() for p in (hil.cwd / "r").iterdir()} == before


def test_the_next_attempt_takes_the_folder_of_one_that_never_began(hil: Hil) -> None:
    assert hil("run", "nosuch", "--out", "r", "--json").code == 2
    assert agree(hil.cwd / "r", 2, None) == "error"
    hil.write("s.yaml", TINY)
    assert hil("run", "s.yaml", "--out", "r", "-q").code == 0
    assert agree(hil.cwd / "r", 0, None) == "pass"


def test_another_programs_report_is_left_alone(hil: Hil) -> None:
    (hil.cwd / "r").mkdir()
    (hil.cwd / "r" / "junit.xml").write_text("<testsuite/>", encoding="utf-8")
    assert hil("run", "nosuch", "--out", "r").code == 2
    assert (hil.cwd / "r" / "junit.xml").read_text(encoding="utf-8") == "<testsuite/>"


# --- no room ------------------------------------------------------------------------------------

ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size="$2" none "$1"
code=0
"$3" run s.yaml --out "$1/r" --json >answer.json 2>message.txt || code=$?
cp -r "$1/r" kept
exit $code
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0,
    reason="no mount namespaces here",
)
@pytest.mark.parametrize("size", mostly_slow(["200k", "400k", "700k"], keep=1))
def test_a_full_disk_is_an_error_in_all_of_them(hil: Hil, size: str) -> None:
    """Whether it is full before the record can be begun, or in the midst of it."""
    storm = "upsets: {rates: [{targets: [state, output], per_s: 90}]}\n"
    hil.write("s.yaml", TINY.replace("60", "20000") + storm)
    disk = hil.cwd / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh", str(disk), size, str(HIL)],
        cwd=hil.cwd,
        env=clean_env(),
        check=False,
    )
    answer = json.loads((hil.cwd / "answer.json").read_text(encoding="utf-8"))
    assert agree(hil.cwd / "kept", done.returncode, answer) == "error"
    assert done.returncode == 3 and ("full" in answer["error"] or "No space" in answer["error"])


@pytest.mark.slow
def test_upsets_that_an_option_took_away_are_named_wherever_the_outcome_is(hil: Hil) -> None:
    events = [f"{{frame: {frame}, node: a, target: state}}" for frame in (10, 40)]
    hil.write("s.yaml", f"{TINY}upsets: {{events: [{', '.join(events)}]}}")
    done = hil("run", "s.yaml", "--frames", "30", "--out", "r", "--json", "--no-tui")
    answer = json.loads(done.out)
    text = "1 upset event left out by --frames 30"
    assert answer["outcome"] == "pass" and answer["left_out"] == [text]
    assert agree(hil.cwd / "r", 0, answer) == "pass"
    assert text in (hil.cwd / "r" / "junit.xml").read_text(encoding="utf-8")
    assert text in hil("replay", "r", "--summary").out.splitlines()[-1]
    assert hil("replay", "r", "--verify").code == 0

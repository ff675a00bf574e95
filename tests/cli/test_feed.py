"""`hil feed` as a process beside a run."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from hil import api
from hil.export.feed_files import FEED_FILES
from tests.command_line import Hil, clean_env

PRIMARY, SECONDARY = 6, 7
FRAME_APID = 0x100


def feed_of(run: Path) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    words = ["feed", str(run), "--prometheus", "0", "--ccsds", "0", "--json", "--until-end"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hil", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env(),
    )  # fmt: skip
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def packets_from(address: str) -> bytes:
    host, _, port = address.rpartition(":")
    assert host == "127.0.0.1", "loopback unless something else was asked for"
    data = bytearray()
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        while chunk := connection.recv(1 << 16):
            data += chunk
    return bytes(data)


def frames_in(data: bytes) -> list[int]:
    """The numbers of all frames, by the primary headers of the packets (CCSDS 133.0-B)."""
    frames, at = [], 0
    while at < len(data):
        length = PRIMARY + int.from_bytes(data[at + 4 : at + 6], "big") + 1
        if int.from_bytes(data[at : at + 2], "big") & 0x7FF == FRAME_APID:
            body = at + PRIMARY + SECONDARY
            frames.append(int.from_bytes(data[body : body + 8], "big"))
        at += length
    assert at == len(data)
    return frames


@pytest.mark.slow
def test_a_feed_beside_a_run_in_real_time_loses_no_frame(tmp_path: Path) -> None:
    pytest.importorskip("spacepackets")
    pytest.importorskip("prometheus_client")
    run = tmp_path / "run"
    run.mkdir()
    feed, where = feed_of(run)
    words = ["run", "quickstart", "--frames", "150", "--pace", "realtime", "--out", str(run)]
    going = subprocess.Popen(
        [sys.executable, "-m", "hil", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_env(),
    )  # fmt: skip
    assert frames_in(packets_from(where["ccsds"])) == list(range(150))
    assert going.wait(30) in (0, 1)  # without its later upsets an expectation may not be met
    assert feed.wait(30) == 0
    assert api.open_run(run).frames.rows == 150
    assert feed.stderr is not None and feed.stdout is not None
    waited = f"{run}: no run has begun there; waiting for it\n"
    assert feed.stderr.read() == waited and feed.stdout.read() == ""
    feed.stderr.close()
    feed.stdout.close()


@pytest.mark.slow
def test_a_finished_run_is_fed_too(tmp_path: Path) -> None:
    pytest.importorskip("spacepackets")
    pytest.importorskip("prometheus_client")
    run = api.run("quickstart", boards="inproc", frames=120, out=tmp_path / "run")
    feed, where = feed_of(run.folder)
    with urllib.request.urlopen(f"http://{where['prometheus']}/metrics", timeout=30) as answer:
        assert b"hil_run_frame 119.0" in answer.read()
    assert frames_in(packets_from(where["ccsds"])) == list(range(120))
    assert feed.wait(30) == 0
    for stream in (feed.stdout, feed.stderr):
        assert stream is not None
        stream.close()


def test_the_files_for_other_programs_are_written_once(hil: Hil) -> None:
    done = hil("feed", "--files", "monitor", "--json")
    assert done.code == 0
    assert {Path(path).name for path in done.json["files"]} == set(FEED_FILES)
    assert {path.name for path in (hil.cwd / "monitor").iterdir()} == set(FEED_FILES)
    assert "exists already" in hil("feed", "--files", "monitor").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to do"),
        (("--prometheus", "x"), "`x` is not a valid port"),
        (("--ccsds", "127.0.0.1:65536"), "`65536` is not a valid port"),
        (("none", "--prometheus", "0"), "there is no run at none"),
        (("--prometheus", "0"), "there is no run in runs/"),
    ],
)
def test_what_cannot_be_fed_is_one_message(hil: Hil, words: tuple[str, ...], message: str) -> None:
    done = hil("feed", *words)
    assert done.code == 2 and message in done.err
    assert len(done.err.splitlines()) <= 2


def test_a_record_that_cannot_be_read_is_refused_as_by_every_command(hil: Hil) -> None:
    run = hil.cwd / "run"
    run.mkdir()
    (run / "run.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    done = hil("feed", "run", "--prometheus", "0")
    assert done.code == 3 and "run.db" in done.err
    assert done.err == hil("replay", "run").err


@pytest.mark.slow
def test_a_run_that_is_lost_meanwhile_ends_the_feed_with_one_message(tmp_path: Path) -> None:
    pytest.importorskip("spacepackets")
    pytest.importorskip("prometheus_client")
    run = api.run("nominal", boards="inproc", frames=5, out=tmp_path / "run").folder
    feed, _ = feed_of(run)
    shutil.rmtree(run)
    _, stderr = feed.communicate(timeout=30)
    assert feed.returncode == 3
    assert stderr.splitlines()[0] == f"hil: {run}: its record is gone"

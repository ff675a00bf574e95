"""One process writes the record of a run: a second one is refused, whatever way it comes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil.errors import UsageError
from hil.record.run_lock import FILE_NAME, RunLock, refuse_if_running
from tests.cli.test_screen import Terminal
from tests.command_line import Done, Hil, wait_for_row

SCENARIO = """\
schema: 1
workload: attitude
frames: 4000
frame_ms: 10
seed: 7
rig: {scheme: tmr, board: BOARD}
upsets:
  rates: [{targets: [state, output], per_s: 2}]
expect: {sdc_escaped: 0}
"""
BEGUN = "SELECT count(*) > 1 FROM blocks"


def free_paced(hil: Hil, board: str = "inproc") -> Path:
    return hil.write("s.yaml", SCENARIO.replace("BOARD", board))


@contextmanager
def going_on(hil: Hil, *words: str, board: str = "inproc") -> Iterator[subprocess.Popen[str]]:
    """A run in `r` that ends when it is told to: paced, with half a minute of frames."""
    process = hil.start(
        "run", free_paced(hil, board), "--pace", "realtime", "--out", "r", "--no-tui", *words
    )
    try:
        wait_for_row(hil.cwd / "r" / "run.db", BEGUN, process)
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


def notes(run: Path) -> list[str]:
    db = sqlite3.connect(f"file:{run}/run.db?mode=ro", uri=True)
    try:
        return [text for (text,) in db.execute("SELECT text FROM notes")]
    finally:
        db.close()


@pytest.mark.parametrize("count", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_a_second_writer_of_a_live_run_exits_2_and_leaves_its_record_alone(
    hil: Hil, count: int
) -> None:
    """README once printed this very sequence. The owner is paused, so that nothing but the intruder
    could change a byte."""
    with going_on(hil, "--control") as process:
        assert hil("control", "r", "pause").code == 0
        process.send_signal(signal.SIGSTOP)
        before = {p.name: p.read_bytes() for p in (hil.cwd / "r").iterdir() if p.is_file()}
        for number in range(count):
            words = ("--resume", "r") if number % 2 else (hil.cwd / "s.yaml", "--out", "r")
            more = (("--json",), ("--quiet",), ("--no-tui", "--control"), ("--capture",))
            refused = hil("run", *words, *(more[number // 2 % 4] if number % 2 else more[0]))
            assert refused.code == 2, refused
            assert f"process {process.pid}" in refused.err
        after = {p.name: p.read_bytes() for p in (hil.cwd / "r").iterdir() if p.is_file()}
        assert after == before
        process.send_signal(signal.SIGCONT)
        assert hil("control", "r", "resume").code == 0
        assert hil("control", "r", "end", "--yes").code == 0
        done = ended(process)
    assert done.code == 130
    assert "resumed" not in notes(hil.cwd / "r")
    assert hil("replay", "r", "--verify").code == 0


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_of_runs_that_begin_in_one_folder_at_once_one_is_run_and_the_others_exit_2(
    hil: Hil, count: int
) -> None:
    path = free_paced(hil)
    alone = hil("run", path, "--out", "alone", "--json").json
    for number in range(count):
        out = f"r{number}"
        started = [hil.start("run", path, "--out", out, "--json") for _ in range(4)]
        codes = sorted(ended(process).code for process in started)
        assert codes == [alone["outcome"] != "pass", 2, 2, 2]
        db = sqlite3.connect(hil.cwd / out / "run.db")
        (result,) = db.execute("SELECT value FROM meta WHERE key='result'").fetchone()
        db.close()
        assert alone["run_digest"] in result


@pytest.mark.slow
def test_of_resumes_of_one_killed_run_at_once_one_goes_on_and_the_others_exit_2(hil: Hil) -> None:
    path = free_paced(hil)
    alone = hil("run", path, "--out", "alone", "--json").json
    with going_on(hil) as process:
        process.kill()
    # The record says how it is paced; what is left of it is made to go free.
    db = sqlite3.connect(hil.cwd / "r" / "run.db")
    db.execute("""UPDATE meta SET value=replace(value, '"pace": "realtime"', '"pace": "free"')""")
    db.commit()
    db.close()
    started = [hil.start("run", "--resume", "r", "--json") for _ in range(4)]
    done = [ended(process) for process in started]
    assert sorted(d.code for d in done) == [0, 2, 2, 2]
    (went_on,) = [d for d in done if d.code == 0]
    assert went_on.json["run_digest"] == alone["run_digest"]
    assert notes(hil.cwd / "r").count("resumed") == 1


def test_a_killed_run_holds_no_lock_even_while_its_agents_still_live(hil: Hil) -> None:
    with going_on(hil, board="process") as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        named = {int(pid): Path(f"/proc/{pid}/comm").read_text().strip() for pid in children}
        agents = [pid for pid, name in named.items() if name == "hil-agent"]
        assert len(agents) == 3
        for agent in agents:
            os.kill(agent, signal.SIGSTOP)
        try:
            with pytest.raises(UsageError, match=str(process.pid)):
                RunLock(hil.cwd / "r")
            process.kill()
            process.wait()
            assert (hil.cwd / "r" / FILE_NAME).exists()
            refuse_if_running(hil.cwd / "r")
            RunLock(hil.cwd / "r").release()
        finally:
            for agent in agents:
                os.kill(agent, signal.SIGKILL)
    assert not (hil.cwd / "r" / FILE_NAME).exists()


@pytest.mark.slow
def test_resuming_the_background_run_of_a_screen_is_refused_without_a_screen(hil: Hil) -> None:
    path = free_paced(hil)
    screen = Terminal(hil, "run", str(path), "--pace", "realtime", "--out", "r")
    try:
        screen.wait_for("frame")
        db = hil.cwd / "r" / "run.db"
        wait_for_row(db, BEGUN, screen.process)
        other = Terminal(hil, "run", "--resume", "r")
        try:
            assert other.end() == 2
            assert "still active" in other.shown.replace("\r\n", " ")
            assert "\x1b[?1049h" not in other.shown
        finally:
            other.close()
        assert screen.process.poll() is None
    finally:
        screen.keys("\x03\x03")
        screen.end()
        screen.close()
    assert "resumed" not in notes(hil.cwd / "r")


@pytest.mark.slow
def test_a_live_run_whose_lock_file_was_deleted_is_not_resumed(hil: Hil) -> None:
    with going_on(hil) as run:
        (hil.cwd / "r" / FILE_NAME).unlink()
        second = hil("run", "--resume", "r", "--no-tui")
        assert second.code == 2 and "a run is still active" in second.err, second.err
        run.send_signal(signal.SIGINT)
        assert ended(run).code == 130
    assert hil("replay", "r", "--verify").code == 0


# --- the lock itself ------------------------------------------------------------------------------


def test_a_lock_that_is_asked_about_is_not_taken(tmp_path: Path) -> None:
    refuse_if_running(tmp_path)
    with RunLock(tmp_path):
        with pytest.raises(UsageError, match=f"process {os.getpid()}"):
            refuse_if_running(tmp_path)
        with pytest.raises(UsageError):
            RunLock(tmp_path)
    refuse_if_running(tmp_path)
    RunLock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_was_deleted_still_holds(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        (tmp_path / FILE_NAME).unlink()
        with pytest.raises(UsageError, match=r"its run\.lock was deleted"):
            refuse_if_running(tmp_path)
        with pytest.raises(UsageError, match=r"its run\.lock was deleted"):
            RunLock(tmp_path)
        with pytest.raises(UsageError):
            RunLock(tmp_path)
    RunLock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


TAKER = """
import sys
from pathlib import Path
from hil.errors import UsageError
from hil.record.run_lock import RunLock
folder = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    try:
        with RunLock(folder):
            with (folder / "inside").open("x"):
                pass
            (folder / "inside").unlink()
    except UsageError:
        pass
"""


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_processes_that_take_and_release_it_in_a_hurry_are_never_inside_together(
    tmp_path: Path, count: int
) -> None:
    """The file is removed with every release: whoever opened it before must see that it is gone."""
    command = [sys.executable, "-c", TAKER, str(tmp_path), str(count)]
    takers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    for taker in takers:
        _, err = taker.communicate(timeout=120)
        assert taker.returncode == 0, err.decode()


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    held, refused = [], []
    barrier = threading.Barrier(8)

    def take() -> None:
        barrier.wait()
        try:
            held.append(RunLock(tmp_path))
        except UsageError:
            refused.append(1)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 7)
    held[0].release()

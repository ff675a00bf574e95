"""A reader who does what a document says, in an empty folder: the commands of its blocks one after
the other, by a shell, with boards on ptys where it speaks of boards on cables."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tests.hearing import hear_signals
from tests.ready import ReadyHil

from .cli import own_words

BIN = Path(sys.executable).parent
PATIENCE_S = 600  # less than that is for the time limit of the tests to say
NO_SHELL = re.compile(r"hil( [\w./:=,+%@-]+)*")
"""A command that a shell has nothing to do with but to start it."""
_UNWANTED = ("CI", "NO_COLOR", "FORCE_COLOR", "HIL_AGENT", "COLUMNS", "PYTHONIOENCODING")


class Reader:
    """`outputs`: what each command of the document printed, stdout and stderr, as written there."""

    def __init__(self, folder: Path, ready: ReadyHil) -> None:
        self.folder, self._ready = folder, ready
        self.outputs: dict[str, str] = {}
        self.done: set[int] = set()  # lines of the blocks that were carried out
        self._agents: list[subprocess.Popen[bytes]] = []
        self._ports: list[str] = []
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        kept = {k: v for k, v in os.environ.items() if k not in _UNWANTED}
        self.env = kept | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    # --- what stands in for the reader's own things ---------------------------------------------

    def ports(self, count: int = 3) -> list[str]:
        """The ports of as many agents: what README says to do without boards."""
        while len(self._agents) < count:
            agent = subprocess.Popen(
                [BIN / "hil-agent", "--port", "pty"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._agents.append(agent)
            assert agent.stdout is not None
            self._ports.append(agent.stdout.readline().decode().split()[1])
        return self._ports[:count]

    @property
    def run(self) -> str:
        """The folder of a run: RUN in the documents. The first one in `runs/`, else a new one."""
        found = sorted(self.folder.glob("runs/*-quickstart"))
        if not found:
            self.do("hil run quickstart")
            found = sorted(self.folder.glob("runs/*-quickstart"))
        return found[0].relative_to(self.folder).as_posix()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    # --- doing ----------------------------------------------------------------------------------

    def do(self, command: str, code: int = 0, written: str | None = None) -> str:
        """Carry out a command; it must exit with `code`. `written`: as it stands in the document,
        if that is different."""
        streams: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
        }
        if NO_SHELL.fullmatch(command):
            words = shlex.split(command)[1:]
            process = self._ready.start(words, self.folder, self.env, **streams)
        else:
            process = subprocess.Popen(
                ["bash", "-c", command], cwd=self.folder, env=self.env, text=True, **streams
            )
        with process:
            try:
                out, _ = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()
        self.outputs[written or command] = out
        assert process.returncode == code, f"{command}\nexit code {process.returncode}:\n{out}"
        assert "Traceback" not in out
        return out

    def start(self, command: str, out: str) -> None:
        """A run that goes on beside the others, into the folder `out`, and has begun."""
        words = shlex.split(own_words(command))
        process = subprocess.Popen(
            [BIN / words[0], *words[1:]],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            preexec_fn=hear_signals,  # noqa: PLW1509 (no thread here holds a lock)
        )
        before = self._frames(out)
        self._running[out] = process
        deadline = time.monotonic() + PATIENCE_S
        while self._frames(out) <= before:
            assert process.poll() is None, process.communicate()[1].decode()
            assert time.monotonic() < deadline, f"{command}: no frame after {PATIENCE_S} s"
            time.sleep(0.02)

    def _frames(self, out: str) -> int:
        path = self.folder / out / "run.db"
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db,
        ):
            row = db.execute("SELECT frame FROM pulse").fetchone()
            return 0 if row is None else int(row[0])  # between the table and its first row
        return 0

    def end(self, out: str, signal_: signal.Signals, code: int) -> None:
        """End the run that goes on in `out`, and hear its exit code."""
        process = self._running.pop(out)
        process.send_signal(signal_)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, err.decode()

    def serve(self, command: str, says: str, code: int) -> None:
        """A program that goes on until Ctrl-C, when it has printed `says`."""
        words = shlex.split(command)
        process = subprocess.Popen(
            [BIN / words[0], *words[1:]],
            cwd=self.folder,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=hear_signals,  # noqa: PLW1509 (no thread here holds a lock)
        )
        assert process.stdout is not None
        heard = ""
        for line in process.stdout:
            heard += line
            if says in heard:
                break
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=PATIENCE_S)[0]
        assert says in heard, f"{command}\n{heard}{rest}"

        assert process.returncode == code, f"{process.returncode}: {command}\n{heard}{rest}"

    def close(self) -> None:
        for process in [*self._running.values(), *self._agents]:
            process.kill()
            process.communicate()


_SPARK = re.compile("[▁▂▃▄▅▆▇█]+")
_NUMBER = re.compile(
    r"(?<![a-z])[-+]?\d[\d,.:]*(?:e[-+]?\d+)?(?: ?(?:us|ms|s|min|h|d|B|kB|k|KiB|MiB|%))?(?![\w])"
)


def shape(text: str) -> str:
    """Output with what differs from run to run taken out: numbers and their units,
    digests, names of folders, pictures, the width of columns."""
    text = re.sub(r"\d{8}T\d{6}Z", "#", text)
    text = re.sub(r"\b[0-9a-f]{16,}\b", "#", text)
    text = _SPARK.sub("~", text)
    text = _NUMBER.sub("#", text.replace("·", "0"))
    return " ".join(text.split())

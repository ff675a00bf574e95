"""`hil` in processes that have imported it already: to start Python takes longer than what most
tests ask of it. Each command line is a process of its own, forked from one that has run nothing.

A test waits for a process until it ends (`run`), or starts one that goes on beside it (`start`):
that one is the test's own child, as if the test had started it."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["ReadyHil"]

IMPORTED = (
    "hil.cli",
    "hil.engine.loop",
    "hil.record.reader",
    "hil.verification.replay",
    "hil.analysis.reliability",
    "hil.campaign.exact_campaign",
    "hil.campaign.sampled_campaign",
    "hil.doctor.files",
    "hil.engine.plant_rows",
    "hil.engine.run_preparation",
    "hil.plant.survey",
    "hil.report.evidence.campaign_evidence",
    "hil.report.evidence.evidence_file",
    "hil.report.evidence.run_evidence",
    "hil.report.run_page",
    "hil.views.campaign",
    "hil.views.ending",
    "hil.views.orbit",
    "hil.views.progress",
    "hil.views.listing",
    "hil.views.style",
    "hil.views.summary",
    "hil.views.tables",
    "encodings.utf_8_sig",
    "rich.live",
    "rich.markdown",
    "rich.table",
)
"""What most commands import."""


def serve() -> None:
    """Fork a process for every request, and answer on stdout how it ended, or which goes on."""
    for name in IMPORTED:
        importlib.import_module(name)
    build_commands_once()
    gc.freeze()  # or each process would look through, and so copy, all that has been imported
    client = socket.socket(fileno=int(sys.argv[1]))
    while True:
        request, fds, _, _ = socket.recv_fds(client, 1 << 20, 3)
        if not request:
            return
        what = json.loads(request)
        words, goes_on = what.pop("words"), what.pop("goes_on")
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            if goes_on and (child := os.fork()):
                os.write(writing, str(child).encode())
                os._exit(0)
            for fd in (client.detach(), reading, writing):
                os.close(fd)
            become(fds, **what)
            if goes_on:
                importlib.import_module("hil.cli").main(words)
            run_to_end(words)
        for fd in (*fds, writing):
            os.close(fd)
        _, status = os.waitpid(pid, 0)
        answer = (
            os.read(reading, 20) if goes_on else str(os.waitstatus_to_exitcode(status)).encode()
        )
        os.close(reading)
        os.write(1, answer + b"\n")


def build_commands_once() -> None:
    """Typer makes its commands from the signatures of functions, in every process: half of what a
    short command takes."""
    typer = importlib.import_module("typer.main")
    typer.get_command = functools.cache(typer.get_command)  # type: ignore[attr-defined]
    typer.get_command(importlib.import_module("hil.cli.entry").app)


def become(fds: list[int], cwd: str, env: dict[str, str], lead: bool) -> None:
    """This process is there, and has these descriptors as stdin, stdout and stderr; if it is to
    `lead`, it leads a session on that terminal."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    renew_streams()
    if lead:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def run_to_end(words: list[str]) -> None:
    """`hil` with these words, which ends as in Python but for the modules: to take them apart one
    by one takes longer than most commands."""
    code: object = 0
    try:
        importlib.import_module("hil.cli").main(words)
    except SystemExit as ended:
        code = ended.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


def renew_streams() -> None:
    """Python looks at its descriptors when it starts: what they are decides on buffering."""
    encoding = sys.stdout.encoding
    streams = {
        "stdin": os.fdopen(0, encoding=encoding, closefd=False),
        "stdout": os.fdopen(1, "w", encoding=encoding, closefd=False),
        "stderr": os.fdopen(2, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False),
    }
    for name, stream in streams.items():
        stream.buffer.raw.name = f"<{name}>"  # type: ignore[attr-defined]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def hear_signals() -> None:
    """What runs the tests (nohup, a shell's &) may have had signals ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class ReadyHil:
    """The process to fork from; a session of tests has one. Not thread-safe."""

    def __init__(self) -> None:
        self._start_server()

    def _start_server(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(theirs.fileno(),),
            preexec_fn=hear_signals,  # noqa: PLW1509 (no thread here holds a lock)
        )
        theirs.close()

    def run(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], files: Path, timeout_s: float
    ) -> tuple[int, str, str]:
        """The exit code, stdout and stderr of `hil` with these words. `files`: a folder for them.

        Raises: TimeoutError."""
        out, err = files / "stdout", files / "stderr"
        with (
            Path(os.devnull).open("rb") as nothing,
            out.open("wb") as stdout,
            err.open("wb") as stderr,
        ):
            fds = [file.fileno() for file in (nothing, stdout, stderr)]
            self._ask(fds, words, cwd, env, goes_on=False)
        code = self._answer(words, timeout_s)
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def start(
        self,
        words: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        *,
        lead: bool = False,
        **streams: Any,
    ) -> subprocess.Popen[str]:
        """`hil` with these words, which goes on. `streams`: arguments of `Popen` for them."""
        return _Started(self, words, cwd=cwd, env=env, lead=lead, **streams)

    def fork(
        self,
        fds: Sequence[int],
        words: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        *,
        lead: bool,
    ) -> int:
        """Return the process that is `hil` with these words from now on, a child of this one: who
        started it ends at once, and leaves it to the next process above that takes in orphans."""
        from hil.rig.offspring import ADOPTION  # noqa: PLC0415  (the server has not imported it)

        ADOPTION.begin()  # boards of this process count there, too
        try:
            self._ask(fds, words, cwd, env, lead=lead, goes_on=True)
            return self._answer(words, 60)
        finally:
            ADOPTION.end()

    def _ask(
        self,
        fds: Sequence[int],
        words: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        *,
        goes_on: bool,
        lead: bool = False,
    ) -> None:
        request = {"words": words, "cwd": cwd, "env": dict(env), "goes_on": goes_on, "lead": lead}
        text = json.dumps(request, default=os.fspath).encode()
        socket.send_fds(self._requests, [text], fds)

    def _answer(self, words: Sequence[str], timeout_s: float) -> int:
        answers = self._server.stdout
        assert answers is not None
        if not select.select([answers], [], [], timeout_s)[0]:
            self.close()  # or the next one would get the exit code of this one
            self._start_server()
            raise TimeoutError(f"hil {' '.join(words)} takes longer than {timeout_s} s")
        return int(answers.readline())

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.communicate()
        self._requests.close()


class _Started(subprocess.Popen[str]):
    """A process of `ReadyHil`, with all that `Popen` can do with one."""

    def __init__(self, ready: ReadyHil, words: Sequence[str], *, lead: bool, **more: Any) -> None:
        self._ready, self._lead = ready, lead
        super().__init__(list(words), text=True, **more)

    def _execute_child(self, *given: Any) -> None:
        """Take the place of what starts a program: its arguments are those of the standard library,
        the same in all versions up to the last pipe."""
        args, cwd, env, pipes = given[0], given[5], given[6], given[10:16]
        theirs = [pipes[0], pipes[3], pipes[5]]
        nothing = os.open(os.devnull, os.O_RDWR)
        try:
            fds = [nothing if fd == -1 else fd for fd in theirs]
            self.pid = self._ready.fork(fds, args, cwd, env, lead=self._lead)
        finally:
            os.close(nothing)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve()

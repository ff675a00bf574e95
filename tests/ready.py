"""`hil` in processes that have imported it already: to start Python takes longer than what most
tests ask of it. Each command line is a process of its own, forked from one that has run nothing."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["ReadyHil"]

IMPORTED = (
    "hil.cli",
    "hil.engine.loop",
    "hil.record.reader",
    "hil.verification.replay",
    "hil.campaign.sampled_campaign",
    "hil.plant.survey",
    "hil.views.style",
    "rich.table",
)


def serve() -> None:
    """Fork a process for every request on stdin, and answer on stdout how it ended."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # or each process would look through, and so copy, all that has been imported
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(**json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(words: list[str], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    """This process is `hil` with these words, and ends as it."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, name in enumerate((os.devnull, out, err)):
        fd = os.open(name, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(fd, number)
        os.close(fd)
    importlib.import_module("hil.cli").main(words)


class ReadyHil:
    """The process to fork from; a session of tests has one. Not thread-safe."""

    def __init__(self) -> None:
        self._server = self._started()

    @staticmethod
    def _started() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, __file__],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def run(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], files: Path, timeout_s: float
    ) -> tuple[int, str, str]:
        """The exit code, stdout and stderr of `hil` with these words. `files`: a folder for them.

        Raises: TimeoutError."""
        requests, answers = self._server.stdin, self._server.stdout
        assert requests is not None and answers is not None
        out, err = files / "stdout", files / "stderr"
        out.touch()
        err.touch()
        request = {"words": words, "cwd": cwd, "env": dict(env), "out": out, "err": err}
        requests.write(json.dumps(request, default=os.fspath) + "\n")
        requests.flush()
        if not select.select([answers], [], [], timeout_s)[0]:
            self.close()  # or the next one would get the exit code of this one
            self._server = self._started()
            raise TimeoutError(f"hil {' '.join(words)} takes longer than {timeout_s} s")
        code = int(answers.readline())
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.communicate()


if __name__ == "__main__":
    serve()

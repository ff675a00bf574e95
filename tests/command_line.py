"""The installed `hil`, run as its users run it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hearing import hear_signals
from tests.ready import ReadyHil

HIL = Path(sys.executable).parent / "hil"
TIMEOUT_S = 60
READ_WHEN_USED = {"CI", "COLUMNS", "HIL_AGENT", "HIL_EXEC", "HOME", "PATH", "XDG_CACHE_HOME"}
"""Variables that no module looks at while it is imported."""
UNWANTED = ("CI", "NO_COLOR", "FORCE_COLOR", "HIL_AGENT", "COLUMNS", "PYTHONIOENCODING")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object that stdout is."""
        lines = self.out.splitlines()
        assert len(lines) == 1, f"stdout is not one object: {self.out!r}"
        content = json.loads(lines[0])
        assert isinstance(content, dict)
        return content


def clean_env(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in UNWANTED} | more


@dataclass(frozen=True)
class Hil:
    """`hil` in a folder of its own."""

    cwd: Path
    ready: ReadyHil | None = None

    def __call__(
        self,
        *words: object,
        env: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> Done:
        full = clean_env(**(env or {}))
        if self.ready and before is None and set(env or ()) <= READ_WHEN_USED:
            line = [str(word) for word in words]
            with tempfile.TemporaryDirectory() as files:
                result = Done(*self.ready.run(line, self.cwd, full, Path(files), TIMEOUT_S))
        else:
            result = self._from_nothing(words, full, before)
        assert "Traceback" not in result.out + result.err
        return result

    def _from_nothing(
        self, words: Sequence[object], env: dict[str, str], before: Callable[[], None] | None
    ) -> Done:
        done = subprocess.run(
            [HIL, *map(str, words)],
            cwd=self.cwd,
            env=env,
            text=True,
            capture_output=True,
            timeout=TIMEOUT_S,
            preexec_fn=before,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: object, **more: Any) -> subprocess.Popen[str]:
        """One that goes on running."""
        line = [str(word) for word in words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        if self.ready:
            return self.ready.start(line, self.cwd, clean_env(), **pipes)
        return subprocess.Popen(
            [HIL, *line],
            cwd=self.cwd,
            env=clean_env(),
            text=True,
            preexec_fn=hear_signals,  # noqa: PLW1509 (no thread here holds a lock)
            **pipes,
        )

    def write(self, name: str, text: str) -> Path:
        path = self.cwd / name
        path.write_text(text, encoding="utf-8")
        return path


def wait_for_row(run_db: Path, sql: str, process: subprocess.Popen[Any]) -> None:
    """Until `sql` has a row whose first column is true in the record of a run that is under way."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            with closing(sqlite3.connect(f"file:{run_db}?mode=ro", uri=True)) as db:
                row = db.execute(sql).fetchone()
        except sqlite3.Error:
            continue
        if row is not None and row[0]:
            return
    raise AssertionError(f"{sql} never became true")

"""A worker for `workload: exec` that behaves, but starts processes that hide.

    python leaves_behind.py [quick|slow]

One is in another session; one, too, and its environment is empty, and who started it has ended.
`slow`: it never answers a board that asks what it is, only the host does it tell."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import hostile_program


def hide() -> None:
    for forgets in (False, True):
        if os.fork() == 0:
            os.setsid()
            if not forgets:
                time.sleep(1000)
            elif os.fork() == 0:
                sleep = "import os, time; time.sleep(1000)"
                os.execve(sys.executable, [sys.executable, "-c", sleep, "hidden"], {})  # noqa: S606
            os._exit(0)


def main() -> None:
    hide()
    asked_by = Path(f"/proc/{os.getppid()}/comm").read_text().strip()
    if sys.argv[1] == "slow" and asked_by == "hil-agent":
        time.sleep(1000)
    sys.argv[1:] = ["good", str(10**9)]
    hostile_program.main()


if __name__ == "__main__":
    main()

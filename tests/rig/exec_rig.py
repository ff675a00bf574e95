"""Programs as workers, and rigs of process boards that run them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from hil.rig.rig import Rig

from .test_process_board import agent_pid, children

EXAMPLES = Path(__file__).parents[2] / "csrc/port/linux/examples"
SDK = Path(__file__).parents[2] / "csrc/port/linux/sdk"
HOSTILE = Path(__file__).parent / "hostile_program.py"
BUDGET_US = 2_000_000
"""For steps that end: by the clock, so not too little on a machine that does other things."""

MakeRig = Callable[..., Rig]


def python(*arguments: str | Path) -> str:
    """A program in Python, as an entry of $HIL_EXEC."""
    return ",".join(map(str, (sys.executable, *arguments)))


def program_pid(rig: Rig) -> int:
    (pid,) = children(agent_pid(rig))
    return pid

"""Digests of the programs that software boards run, for the record of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from hil import _kernel
from hil.rig.backends.process import find_agent
from hil.scenario.words import BoardKind

__all__ = ["program_digests"]


def program_digests(kinds: Collection[str]) -> dict[str, str]:
    """Return the SHA-256 of what boards of these kinds execute, by kind: of the agent's executable,
    or of the extension that holds the agent. Boards that are not of this computer have none: only
    they know what they run. Raises: SetupError if there is no agent."""
    files = {}
    if BoardKind.PROCESS.value in kinds:
        files[BoardKind.PROCESS.value] = find_agent()
    if BoardKind.INPROC.value in kinds:
        files[BoardKind.INPROC.value] = Path(_kernel.__file__)
    return {kind: _digest(file, file.stat().st_mtime_ns) for kind, file in files.items()}


@lru_cache(maxsize=8)
def _digest(file: Path, _changed_ns: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()

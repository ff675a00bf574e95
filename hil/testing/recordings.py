"""The folders of the recordings: one for each test that uses a rig, named after it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Final

__all__ = ["new_folder"]

_NAME_MAX: Final = 120
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._=+-]+")


def new_folder(below: Path, nodeid: str) -> Path:
    """Create and return a new folder for the recording of a test. Tests that run at the same time,
    and the same test again, get others. Raises: OSError."""
    module, _, test = nodeid.partition("::")
    name = _NOT_IN_NAMES.sub("-", f"{Path(module).stem}-{test}").strip("-")[:_NAME_MAX]
    for number in itertools.count(1):
        folder = below / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable: count is endless")

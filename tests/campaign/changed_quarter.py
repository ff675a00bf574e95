"""The shipped workload `quarter` with C code of a test in its step."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hil import assets

__all__ = ["ZERO_BYTE", "changed_quarter"]

ZERO_BYTE: Final = 63
"""A byte of the state that is 0 unless it is hit: code of a test looks at bits of it."""

_QUARTER: Final = assets.scenarios_dir() / "workloads" / "quarter.c"


def changed_quarter(folder: Path, code: str) -> Path:
    """Write the workload, and a scenario of it, to `folder`; return the scenario's file. Its step
    begins with `code`, and leaves the last byte of its state as it is."""
    text = _QUARTER.read_text(encoding="utf-8")
    for old, new in (
        ("draw(state, seed, 0, 1);", f"draw(state, seed, 0, 1); state[{ZERO_BYTE}] = 0;"),
        ("memcpy(io->state, io->input, LEN);", f"memcpy(io->state, io->input, {ZERO_BYTE});"),
        ("progress) {\n  for", f"progress) {{{code}  for"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "quarter.c").write_text(text, encoding="utf-8")
    file = folder / "changed.yaml"
    file.write_text(_QUARTER.with_suffix(".yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return file

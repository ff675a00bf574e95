"""Files for the programs that show feeds and exports: dashboard, layout, packet definitions."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from hil.errors import SetupError, UsageError
from hil.export.ccsds_definitions import openc3_text, xtce_document

__all__ = ["FEED_FILES", "write_feed_files"]

_MONITORS: Final = ("grafana.json", "prometheus.yml", "foxglove.json")
_GROUND: Final = ("yamcs.hil.yaml", "plugin.txt", "target.txt")
_MADE: Final = ("hil.xtce.xml", "hil_tlm.txt")
FEED_FILES: Final = (*_MONITORS, *_GROUND, *_MADE)
"""The names of the files."""


def write_feed_files(folder: Path) -> list[Path]:
    """Write all files to a folder, which is made if need be; return their paths. Raises:
    UsageError if one exists already; SetupError if one cannot be written."""
    paths = [folder / name for name in FEED_FILES]
    if existing := [path for path in paths if path.exists()]:
        raise UsageError(f"{existing[0]} exists already", remedy="name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            path.write_bytes(_content(path.name))
    except OSError as error:
        reason = error.strerror or error
        raise SetupError(f"cannot write the files to {folder}: {reason}") from error
    return paths


def _content(name: str) -> bytes:
    if name == "hil.xtce.xml":
        return xtce_document()
    if name == "hil_tlm.txt":
        return openc3_text().encode("utf-8")
    return (resources.files("hil.export") / "files" / name).read_bytes()

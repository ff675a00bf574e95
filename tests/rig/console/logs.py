"""Console logs, read back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hil.rig.console.escape import unescaped
from hil.rig.console.log import log_path

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z +(\d+\.\d{6}) (.{7}) (.*)")


@dataclass(frozen=True)
class Entry:
    utc: datetime
    seconds: float
    source: str
    text: str


def entry_of(line: str) -> Entry:
    match = LINE.fullmatch(line)
    assert match is not None, line
    stamp, seconds, source = match[1], float(match[2]), match[3].rstrip()
    assert line == f"{stamp}Z {seconds:12.6f} {source:<7} {match[4]}"
    return Entry(datetime.fromisoformat(f"{stamp}+00:00"), seconds, source, match[4])


def entries(run_dir: Path, node: str) -> list[Entry]:
    text = log_path(run_dir, node).read_text(encoding="utf-8")
    assert not text or text.endswith("\n")
    return [entry_of(line) for line in text.split("\n")[:-1]]


def console_bytes(run_dir: Path, node: str, source: str = "link") -> bytes:
    """The bytes of a source, by what the log says of them."""
    out = b""
    for entry in entries(run_dir, node):
        if entry.source != source:
            continue
        goes_on = (len(entry.text) - len(entry.text.rstrip("\\"))) % 2 == 1
        text = entry.text.removesuffix("\\") if goes_on else entry.text
        data = unescaped(text)
        ended = goes_on or data.endswith(b"\n")
        out += data if ended or source == "damaged" else data + b"\r\n"
    return out

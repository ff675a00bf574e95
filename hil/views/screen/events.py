"""What happened, newest first, from all tables that say so."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from hil.views.listing import anomaly_text, upset_text
from hil.views.screen.facts import Event, Level
from hil.views.screen.source import Source
from hil.views.style import duration

__all__ = ["newest_events"]

_SEVERE: Final = frozenset({"sdc_escaped", "unavailable", "detected_unresolved"})
_SEARCHED: Final = 5000
_OF_THE_WHOLE: Final = frozenset({"commands", "notes"})


def newest_events(source: Source, head: int, count: int, node: str = "") -> tuple[Event, ...]:
    """The newest `count` events up to frame `head`, newest first; the same in a row are one. With
    `node` only those of that node, as far as they are among the newest `_SEARCHED` of a kind."""
    found: list[Event] = []
    upto = source.upto(head)
    for table, kind, make in _BY_ID:
        position = source.position(table, upto)
        if position:
            where, values = ("", ()) if not node else (" AND id > ? AND node = ?",
                                                       (position - _SEARCHED, node))  # fmt: skip
            if node and table in _OF_THE_WHOLE:
                continue
            for row in source.rows(
                f"SELECT * FROM {table} WHERE id <= ?{where} ORDER BY id DESC LIMIT ?",
                position, *values, 2 * count,
            ):  # fmt: skip
                event = make(row, kind)
                if event is not None:
                    found.append(event)
    upsets = source.rows(
        "SELECT * FROM (SELECT * FROM upsets WHERE frame <= ? ORDER BY frame DESC, id DESC LIMIT ?)"
        " WHERE ? IN ('', node) LIMIT ?", upto, _SEARCHED if node else count, node, count,
    )  # fmt: skip
    found.extend(_upset(row) for row in upsets)
    if node:
        found.sort(key=lambda event: (-event.frame, _ORDER[event.kind]))
        return tuple(_merged(found))[:count]
    found.extend(_frame(row) for row in source.lost(head, count))
    found.sort(key=lambda event: (-event.frame, _ORDER[event.kind]))
    return tuple(_merged(found))[:count]


def _merged(events: Iterable[Event]) -> list[Event]:
    """The same one after the other, counted; the same of several nodes in a frame, as one."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else event
        if out and (last.frame, last.kind, last.text) == (event.frame, event.kind, event.text) and \
                last.node != event.node:  # a rollback is of all its nodes  # fmt: skip
            out[-1] = replace(last, node=f"{event.node},{last.node}")
        elif out and (out[-1].kind, out[-1].node, out[-1].text) == (event.kind, event.node,
                                                                  event.text):  # fmt: skip
            out[-1] = replace(out[-1], count=out[-1].count + 1)
        else:
            out.append(event)
    return out


_ORDER: Final = {"note": 0, "state": 1, "repair": 2, "frame": 3, "anomaly": 4, "upset": 5,
                 "slip": 6, "limit": 7, "link": 8, "command": 9}  # fmt: skip


def _state(row: sqlite3.Row, kind: str) -> Event | None:
    after, cause = row["after"], row["cause"]
    if after == "voting" and row["before"] != "resync":  # that one is over before the next frame
        return Event(row["frame"], Level.GOOD, kind, row["node"], "votes again")
    if after == "isolated":
        return Event(row["frame"], Level.BAD, kind, row["node"], f"ISOLATED: {cause}")
    return None  # of what lies between, the repairs tell


def _repair(row: sqlite3.Row, kind: str) -> Event:
    what = row["action"].replace("_", " ")
    if not row["ok"]:
        return Event(row["frame"], Level.WARN, kind, row["node"], f"{what} FAILED: {row['detail']}")
    why = row["cause"]
    moved = f", {row['bytes_moved']} B moved" if row["bytes_moved"] else ""
    spent = duration(row["duration_wall_us"])
    text = f"{why}: {what} done in {spent}{moved}"
    return Event(row["frame"], Level.WARN, kind, row["node"], text)


def _upset(row: sqlite3.Row) -> Event:
    text = upset_text(row).replace(f" {row['node']} ", " ", 1)
    if row["state"] == "injected" and not row["outcome"]:
        text += ", not settled yet"
    level = Level.NOTE
    if row["outcome"] in _SEVERE:
        level = Level.BAD
    elif row["outcome"] not in ("", "no_effect", "corrected", "recovered"):
        level = Level.WARN
    return Event(row["frame"], level, "upset", row["node"], text)


def _frame(row: sqlite3.Row) -> Event:
    text = {"no_majority": "NO OUTPUT: no majority", "no_quorum": "NO OUTPUT: no node was heard"}
    return Event(row["frame"], Level.BAD, "frame", "",
                 text.get(row["verdict"], "A WRONG OUTPUT LEFT THE SYSTEM"))  # fmt: skip


def _anomaly(row: sqlite3.Row, kind: str) -> Event:
    text = anomaly_text(row).removeprefix(f"{row['node']}: ")
    return Event(row["frame"], Level.WARN, kind, row["node"], f"unexplained: {text}")


def _slip(row: sqlite3.Row, kind: str) -> Event:
    late = f" by {duration(row['late_wall_us'])}" if row["late_wall_us"] else ""
    return Event(row["frame"], Level.WARN, kind, row["node"] or "", f"slip: {row['detail']}{late}")


def _limit(row: sqlite3.Row, kind: str) -> Event:
    asked, applied = (json.loads(row[column] or "{}") for column in ("asked", "applied"))
    refused = f", refused {', '.join(applied['refused'])}" if applied.get("refused") else ""
    text = f"{row['cause']}: {_limit_words(asked)}{refused}"
    level = Level.WARN if refused else Level.NOTE
    return Event(row["frame"], level, kind, row["node"], text)


def _limit_words(asked: Mapping[str, Any]) -> str:
    """What a board was asked to obey: `30 % of its speed`."""
    if asked.get("power") == "off":
        return "power off"
    parts = ["suspended"] if asked.get("suspend") else []
    duty = asked.get("duty_permille")
    if duty is not None and not parts:
        parts.append("full speed" if duty >= 1000 else f"{duty / 10:g} % of its speed")
    parts += [f"{asked['cores']} cores"] if asked.get("cores") else []
    parts += [f"{asked['clock_khz'] / 1000:g} MHz"] if asked.get("clock_khz") else []
    parts += [f"mode {asked['mode']}"] if asked.get("mode") else []
    return ", ".join(parts) or "no limit"


def _command(row: sqlite3.Row, kind: str) -> Event | None:
    if row["ok"] and row["command"] in _NOTED:
        return None
    told = json.loads(row["arguments"] or "{}")
    words = [row["command"].replace("_", " ")]
    words += [f"{key}={value}" for key, value in told.items() if key != "node"]
    said = "" if row["ok"] else f" REFUSED: {row['answer']}"
    level = Level.NOTE if row["ok"] else Level.WARN
    node = str(told.get("node", ""))
    return Event(row["frame"], level, kind, node, f"{' '.join(words)}, by {row['who']}{said}")


def _link(row: sqlite3.Row, kind: str) -> Event | None:
    if row["state"] not in ("lost", "absent"):
        return None
    why = f": {row['reason']}" if row["reason"] else ""
    return Event(row["frame"], Level.WARN, kind, row["node"], f"link {row['state']}{why}")


def _note(row: sqlite3.Row, kind: str) -> Event:
    return Event(row["frame"] or 0, Level.NOTE, kind, "", row["text"])


_NOTED: Final = frozenset({"pause", "resume", "pace", "end", "note"})
"""Commands that leave a note of their own."""

_Make = Callable[[sqlite3.Row, str], "Event | None"]
_BY_ID: Final[tuple[tuple[str, str, _Make], ...]] = (
    ("transitions", "state", _state),
    ("repairs", "repair", _repair),
    ("anomalies", "anomaly", _anomaly),
    ("slips", "slip", _slip),
    ("limits", "limit", _limit),
    ("link_events", "link", _link),
    ("commands", "command", _command),
    ("notes", "note", _note),
)

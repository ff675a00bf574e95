"""Runs whose pages and evidence the tests look at, and what a page says to a reader."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.scenario import Scenario

LAST_TICK = workload("attitude").ticks
EVENTS = [
    {"frame": 10, "node": "a", "target": "output", "tick": LAST_TICK, "bit": 5},
    {"frame": 30, "node": "b", "target": "cpu", "sefi": "crash"},
    {"frame": 50, "node": "c", "target": "state", "bit": 9},
]


def scenario(**data: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "reported",
            "workload": "attitude",
            "seed": 5,
            "frames": 80,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "upsets": {"events": EVENTS},
            "expect": {"sdc_frames": 0},
            **data,
        }
    )


def run(folder: Path, **data: Any) -> Path:
    folder.mkdir()
    Loop(scenario(**data), folder).run()
    return folder


class Read(HTMLParser):
    """The content of a page: its words by element id, its links and ids; and every tag that is not
    closed, which no browser reports."""

    EMPTY = frozenset({"meta", "br", "input", "link", "wbr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.sources: set[str] = set()
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag not in self.EMPTY:
            self._open.append(tag)
        if named.get("id"):
            assert named["id"] not in self.ids, "an id stands twice"
            self.ids.add(str(named["id"]))
        if tag == "a" and named.get("href"):
            self.links.add(str(named["href"]))
        if named.get("src"):
            self.sources.add(str(named["src"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}>"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

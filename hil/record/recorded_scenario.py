"""The facts of a recorded scenario, for readers of records of any release.

A record holds the effective scenario as JSON text. A reader takes a few facts of it, also of a
scenario of an older or a newer hil, which `hil.scenario` would refuse: a fact that is missing or
makes no sense has its default. To run a scenario again, use `validated`."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from hil.json_values import JsonObject, JsonValue

if TYPE_CHECKING:
    from hil.scenario import Scenario

__all__ = ["RecordedAlarmLimits", "RecordedScenario", "object_in"]

_FRAME_MS: Final = 10.0
_EMPTY: Final[JsonObject] = {}
_FORMER_UNVOTED: Final = {"degraded": "last_node"}
"""Words for `unvoted_output` in older records, and the present ones (hil.scenario.words)."""
_FORMER_KEYS: Final = ("calm_scheme", "calm_below_flux")
"""Keys of a rig in older records; `follows` says the same now."""


@dataclass(frozen=True, slots=True)
class RecordedAlarmLimits:
    """The recorded alarm limits of one quantity, in its own unit; None where there is no limit.

    `persistence`: the consecutive values beyond a limit that raise the alarm; `sun` and `eclipse`:
    the limits that replace these in a phase of the orbit."""

    yellow_low: float | None = None
    yellow_high: float | None = None
    red_low: float | None = None
    red_high: float | None = None
    persistence: int | None = None
    sun: RecordedAlarmLimits | None = None
    eclipse: RecordedAlarmLimits | None = None

    @classmethod
    def parse(cls, value: JsonValue) -> RecordedAlarmLimits | None:
        """Return the limits in an object of JSON; None if `value` is not an object."""
        if not isinstance(value, Mapping):
            return None
        persistence = _number(value.get("persistence"))
        return cls(
            _number(value.get("yellow_low")),
            _number(value.get("yellow_high")),
            _number(value.get("red_low")),
            _number(value.get("red_high")),
            None if persistence is None else int(persistence),
            cls.parse(value.get("sun")),
            cls.parse(value.get("eclipse")),
        )

    def as_json(self) -> JsonObject:
        """Return the limits that there are, as the record holds them."""
        return dict(self._known())

    def _known(self) -> Iterator[tuple[str, JsonValue]]:
        numbers: dict[str, float | None] = {
            "yellow_low": self.yellow_low,
            "yellow_high": self.yellow_high,
            "red_low": self.red_low,
            "red_high": self.red_high,
            "persistence": self.persistence,
        }
        yield from ((key, value) for key, value in numbers.items() if value is not None)
        for phase, limits in (("sun", self.sun), ("eclipse", self.eclipse)):
            if limits is not None:
                yield phase, limits.as_json()


@dataclass(frozen=True, slots=True)
class RecordedCheckers:
    """The checkers of a doer: what they compute, how far its numbers may be from theirs by the name
    of the field, and how many of them refuse a result; `delivers`: their own is delivered then."""

    workload: str
    bounds: Mapping[str, float]
    votes: int
    delivers: bool = True


@dataclass(frozen=True, slots=True)
class RecordedScenario:
    """The facts of a recorded scenario that readers of records use.

    text: the whole scenario as JSON, as it is recorded; empty if the record has none
    accel: the factor on all upset rates
    voted_accel: the further factor on hits of the voted data by radiation
    frames, duration: the length of the run, as a number of frames or as a text such as `90s`
    unvoted_output: what is delivered without a comparison; empty: what is usual for the scheme;
        None: the record is older than this rule
    unvoted_frames: for how many consecutive frames at most; 0 without a limit
    votes_by_value: not the exact majority of outputs and states decides
    voter_per_node: the voter has a replica at each node
    exchange: these pass on what they have received
    spares: how many nodes are spares, hot or cold
    checkers: those of a doer; other schemes ignore them
    monitors: of a primary: how many vote it out, and in how many consecutive frames
    follows: the schemes of one that follows the orbit, in words; empty for any other
    one_at_a_time: upsets wait until the one before is healed
    solar_events: the sun sends protons, too
    alarms: by quantity"""

    text: str = field(default="", repr=False)
    name: str = ""
    summary: str = ""
    workload: str = ""
    seed: int | None = None
    scheme: str = ""
    pace: str = "free"
    accel: float = 1.0
    frame_us: int = round(_FRAME_MS * 1000)
    frames: int | None = None
    duration: str = ""
    unvoted_output: str | None = None
    unvoted_frames: int = 0
    one_at_a_time: bool = False
    solar_events: bool = False
    alarms: Mapping[str, RecordedAlarmLimits] = field(default_factory=dict)
    voted_accel: float = 1.0
    votes_by_value: bool = False
    voter_per_node: bool = False
    exchange: bool = False
    spares: int = 0
    follows: str = ""
    monitors: tuple[int, int] = (2, 1)
    checkers: RecordedCheckers | None = None

    @classmethod
    def of(cls, scenario: Scenario) -> RecordedScenario:
        """Return what a record is to hold of the effective `scenario` of a run."""
        return cls.parse(json.dumps(scenario.model_dump(mode="json", by_alias=True)))

    @classmethod
    def parse(cls, text: str) -> RecordedScenario:
        """Return the facts of a scenario in JSON `text`, which may be damaged."""
        content = object_in(text) or _EMPTY
        rig, upsets = _inner(content, "rig"), _inner(content, "upsets")
        frame_ms, accel = _number(content.get("frame_ms")), _number(upsets.get("accel"))
        voted_accel = _number(_inner(upsets, "orbit").get("voted_accel"))
        frame_us = round((frame_ms or _FRAME_MS) * 1000)
        return cls(
            text,
            name=_text(content, "name"),
            summary=_text(content, "summary"),
            workload=_workload_name(content),
            seed=_whole(content.get("seed")),
            scheme=_text(rig, "scheme"),
            follows=_follows(_inner(rig, "follows")),
            monitors=_monitors(_inner(rig, "monitors")),
            checkers=_checkers(rig),
            pace=_text(content, "pace") or "free",
            accel=1.0 if accel is None else float(accel),
            voted_accel=1.0 if voted_accel is None else float(voted_accel),
            frame_us=frame_us if frame_us > 0 else round(_FRAME_MS * 1000),
            frames=_whole(content.get("frames")),
            duration=_text(content, "duration"),
            unvoted_output=_unvoted(rig) if "unvoted_output" in rig else None,
            votes_by_value=_votes_by_value(_inner(rig, "voter")),
            voter_per_node=rig.get("voter_per_node") is True,
            exchange=rig.get("exchange") is True,
            unvoted_frames=_whole(rig.get("unvoted_frames")) or 0,
            spares=sum(_whole(rig.get(key)) or 0 for key in ("hot_spares", "cold_spares")),
            one_at_a_time=upsets.get("one_at_a_time") is True,
            solar_events=bool(_inner(_inner(content, "plant"), "radiation").get("events")),
            alarms={
                quantity: limits
                for quantity, entry in _inner(content, "alarms").items()
                if (limits := RecordedAlarmLimits.parse(entry)) is not None
            },
        )

    def validated(self) -> Scenario:
        """Return the whole scenario. Raises: pydantic.ValidationError if this hil cannot read it;
        ValueError if it is not JSON."""
        from hil.scenario import Scenario  # noqa: PLC0415  (a reader must not load pydantic)

        return Scenario.model_validate(_present(json.loads(self.text)) if self.text else None)


def object_in(text: str) -> JsonObject | None:
    """Return the JSON object in `text`; None if there is none."""
    with contextlib.suppress(ValueError):
        value: JsonValue = json.loads(text)
        if isinstance(value, Mapping):
            return value
    return None


def _present(content: JsonValue) -> JsonValue:
    """Return a scenario of an older hil in the words of this one."""
    if not isinstance(content, Mapping) or not isinstance(content.get("rig"), Mapping):
        return content
    rig = {key: value for key, value in _inner(content, "rig").items() if key not in _FORMER_KEYS}
    if _text(rig, "unvoted_output"):
        rig["unvoted_output"] = _unvoted(rig)
    calm = _text(_inner(content, "rig"), "calm_scheme")
    if calm:
        rig["follows"] = _former_calm(calm, _inner(content, "rig"))
    return {**content, "rig": rig}


def _former_calm(calm: str, rig: JsonObject) -> JsonObject:
    """Return the smaller scheme of calm times of an older record as one that follows the orbit."""
    flux, full = rig.get("calm_below_flux", 100.0), rig.get("scheme")
    fluxes: JsonObject = {"anomaly_flux": flux, "storm_flux": flux}
    return {"in_anomaly": full, "in_storm": full, "else": calm, **fluxes}


def _unvoted(rig: JsonObject) -> str:
    word = _text(rig, "unvoted_output")
    return _FORMER_UNVOTED.get(word, word)


def _inner(content: JsonObject, key: str) -> JsonObject:
    value = content.get(key)
    return value if isinstance(value, Mapping) else _EMPTY


def _text(content: JsonObject, key: str) -> str:
    value = content.get(key)
    return str(value) if isinstance(value, (str, int, float)) else ""


def _votes_by_value(voter: JsonObject) -> bool:
    kinds = [voter, *(_inner(_inner(voter, "fields"), name) for name in _inner(voter, "fields"))]
    own = any((_text(rule, "kind") or "exact") != "exact" for rule in kinds)
    return own or (_text(voter, "state") or "exact") != "exact"


def _monitors(monitors: JsonObject) -> tuple[int, int]:
    count = _whole(monitors.get("count")) or 2
    votes = _whole(monitors.get("votes")) or (count + 1) // 2 + 1  # hil.scenario.monitors
    return votes, _whole(monitors.get("frames")) or 1


def _checkers(rig: JsonObject) -> RecordedCheckers | None:
    checkers = _inner(rig, "checkers")
    if not checkers:
        return None
    count = _whole(checkers.get("count")) or 2
    bounds = _inner(checkers, "bounds")
    return RecordedCheckers(
        _text(checkers, "workload"),
        {name: float(bound) for name in bounds if (bound := _number(bounds[name])) is not None},
        _whole(checkers.get("votes")) or count // 2 + 1,  # hil.scenario.checkers
        delivers=(_text(checkers, "refused") or "reduced") == "reduced",
    )


def _workload_name(content: JsonObject) -> str:
    """Return the name of a workload; that of a C file is the file's."""
    file = _text(_inner(content, "workload"), "c")
    return PurePosixPath(file).stem or _text(content, "workload")


def _number(value: JsonValue) -> float | None:
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return value if is_number and isinstance(value, (int, float)) else None


def _whole(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None


def _follows(follows: JsonObject) -> str:
    """Return the schemes of one that follows the orbit, as `tmr in anomaly, else dmr`."""
    named = [(key, _text(follows, key)) for key in ("in_anomaly", "in_storm", "in_errors")]
    parts = [f"{scheme} {key.replace('_', ' ')}" for key, scheme in named if scheme]
    return f"{', '.join(parts)}, else {_text(follows, 'else')}" if parts else ""

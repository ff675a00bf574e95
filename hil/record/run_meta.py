"""The properties of a whole run: the rows of `meta` in its record as one value."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from hil.json_values import JsonObject, JsonValue
from hil.record.recorded_scenario import RecordedAlarmLimits, RecordedScenario, object_in

__all__ = ["RecordedCalibration", "RunMeta"]


@dataclass(frozen=True, slots=True)
class RecordedCalibration:
    """The times that fault-free steps took before the run began, over all nodes, in `frames` frames
    [us], and the budget of a step that follows from it: CPU time [us] and ticks."""

    frames: int
    cpu_us_median: int
    cpu_us_worst: int
    round_trip_us_worst: int
    budget_cpu_us: int
    budget_max_ticks: int


@dataclass(frozen=True, slots=True)
class RunMeta:
    """The properties of a run. The engine makes one when a run begins; a reader parses one. A
    property that is empty or None is not in the record: of an older or a damaged record, any.

    command: the arguments of the command line; of a run from Python, of the one that repeats it
    config_hash: SHA-256 of the effective scenario
    anomaly: south and west edges [deg] of the cells of the South Atlantic Anomaly
    board_limits: temperature alarm limits by quantity and node
    left_out: upsets that an option has removed
    programs: SHA-256 of what software boards execute, by the kind of board
    outcome: `running` until the run ends
    result: what the run said of itself at its end"""

    hil_version: str = ""
    python: str = ""
    system: str = ""
    started_utc: str = ""
    command: tuple[str, ...] | None = None
    wire_version: int | None = None
    record_version: int | None = None
    scenario: RecordedScenario = field(default_factory=RecordedScenario)
    config_hash: str = ""
    seed: int | None = None
    calibration: RecordedCalibration | None = None
    anomaly: tuple[tuple[int, int], ...] | None = None
    board_limits: Mapping[str, Mapping[str, RecordedAlarmLimits]] | None = None
    left_out: tuple[str, ...] | None = None
    programs: Mapping[str, str] | None = None
    outcome: str = ""
    result: JsonObject | None = None

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> RunMeta:
        """Return the properties in the rows of `meta`, by key. What is damaged is left out."""
        return cls(
            hil_version=texts.get("hil_version", ""),
            python=texts.get("python", ""),
            system=texts.get("system", ""),
            started_utc=texts.get("started_utc", ""),
            command=_texts_in(texts.get("command", "")),
            wire_version=_whole_in(texts.get("wire_version", "")),
            record_version=_whole_in(texts.get("record_version", "")),
            scenario=RecordedScenario.parse(texts.get("scenario", "")),
            config_hash=texts.get("config_hash", ""),
            seed=_whole_in(texts.get("seed", "")),
            calibration=_calibration_in(texts.get("calibration", "")),
            anomaly=_cells_in(texts.get("anomaly", "")),
            board_limits=_limits_in(texts.get("board_limits", "")),
            left_out=_texts_in(texts.get("left_out", "")),
            programs=_digests_in(texts.get("programs", "")),
            outcome=texts.get("outcome", ""),
            result=object_in(texts.get("result", "")),
        )

    @property
    def texts(self) -> dict[str, str]:
        """Return all properties that there are as texts, by key; others than texts as JSON."""
        return dict(self.rows())

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield key and text of all properties that there are: texts as they are, others as
        JSON."""
        calibration, limits = self.calibration, self.board_limits
        values: dict[str, JsonValue] = {
            "hil_version": self.hil_version,
            "python": self.python,
            "system": self.system,
            "started_utc": self.started_utc,
            "command": self.command,
            "wire_version": self.wire_version,
            "record_version": self.record_version,
            "scenario": self.scenario.text,
            "config_hash": self.config_hash,
            "seed": self.seed,
            "calibration": None if calibration is None else asdict(calibration),
            "anomaly": self.anomaly,
            "board_limits": None
            if limits is None
            else {
                quantity: {node: of_node.as_json() for node, of_node in of_quantity.items()}
                for quantity, of_quantity in limits.items()
            },
            "left_out": self.left_out,
            "programs": None if self.programs is None else dict(self.programs),
            "outcome": self.outcome,
            "result": self.result,
        }
        for key, value in values.items():
            if value is not None and value != "":
                yield key, value if isinstance(value, str) else json.dumps(value)


def _json_in(text: str) -> JsonValue:
    value: JsonValue = None
    with contextlib.suppress(ValueError):
        value = json.loads(text)
    return value


def _whole_in(text: str) -> int | None:
    with contextlib.suppress(ValueError):
        return int(text)
    return None


def _texts_in(text: str) -> tuple[str, ...] | None:
    value = _json_in(text)
    return tuple(str(item) for item in value) if isinstance(value, list) else None


def _digests_in(text: str) -> dict[str, str] | None:
    content = object_in(text)
    return None if content is None else {key: str(value) for key, value in content.items()}


def _calibration_in(text: str) -> RecordedCalibration | None:
    content = object_in(text)
    if content is None:
        return None
    numbers = {key: value for key, value in content.items() if isinstance(value, int)}
    with contextlib.suppress(KeyError):
        return RecordedCalibration(
            numbers["frames"],
            numbers["cpu_us_median"],
            numbers["cpu_us_worst"],
            numbers.get("round_trip_us_worst", 0),
            numbers["budget_cpu_us"],
            numbers.get("budget_max_ticks", 0),
        )
    return None


def _cells_in(text: str) -> tuple[tuple[int, int], ...] | None:
    value = _json_in(text)
    if not isinstance(value, list):
        return None
    return tuple(
        (int(cell[0]), int(cell[1]))
        for cell in value
        if isinstance(cell, list)
        and len(cell) == 2
        and all(isinstance(edge, (int, float)) for edge in cell)
    )


def _limits_in(text: str) -> dict[str, dict[str, RecordedAlarmLimits]] | None:
    content = object_in(text)
    if content is None:
        return None
    return {
        quantity: {
            node: limits
            for node, entry in of_quantity.items()
            if (limits := RecordedAlarmLimits.parse(entry)) is not None
        }
        for quantity, of_quantity in content.items()
        if isinstance(of_quantity, Mapping)
    }

"""Reading the recorded JSON of a run's result into its type.

Results of an older hil lack keys: what they would say is then the value of a run without it, and
`RunResult.unrecorded` names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.errors import RecordError
from hil.exit_codes import EXIT_OF_OUTCOME
from hil.json_values import JsonObject, JsonValue
from hil.record.run_result import RUN_KEYS, LostBoard, RunResult, UpsetEvents, UpsetTotals

if TYPE_CHECKING:
    from hil.scenario import ExpectationResult

__all__ = ["Fields", "expectations_of", "lost_boards_of", "recorded_result"]

_NO_RESULT_KEYS: Final = frozenset({"wall_s"})
"""Keys of the answer of `hil run` that a recorded result does not have: real time."""
_PACED: Final = "a paced run depends on real time (--pace free does not)"
_AT_A_TIME: Final = "upsets with `us:` hit by real time (`tick:` does not)"
"""What an older hil meant that recorded only that a run is not reproducible."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a JSON object, each with its type. `where` says what the object is. A field
    that is missing or null has the default. Raises: RecordError for a value of another type, and
    for one that is missing and has no default (None)."""

    content: JsonObject
    where: str

    @staticmethod
    def of(value: JsonValue, where: str) -> Fields:
        """Return the fields of a value. Raises: RecordError if it is not an object."""
        if not isinstance(value, Mapping):
            raise RecordError(f"{where} is damaged: it is not an object")
        return Fields(value, where)

    def require(self, *keys: str) -> None:
        """Check that no field is missing. Raises: RecordError if one is."""
        for key in keys:
            if key not in self.content:
                raise self.damaged(key, "there")

    def damaged(self, key: str, wanted: str) -> RecordError:
        """Return the error that a field is not what it should be."""
        return RecordError(f"{self.where} is damaged: its `{key}` is not {wanted}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text. Raises: RecordError."""
        value = self.content.get(key)
        value = default if value is None else value
        if not isinstance(value, str):
            raise self.damaged(key, "a text")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        """Return an integer. Raises: RecordError."""
        value = self.content.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.damaged(key, "an integer")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Return a number. Raises: RecordError."""
        value = self.content.get(key)
        value = default if value is None else value
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.damaged(key, "a number")
        return value

    def boolean(self, key: str, *, default: bool | None = None) -> bool:
        """Return true or false. Raises: RecordError."""
        value = self.content.get(key)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self.damaged(key, "true or false")
        return value

    def integer_or_none(self, key: str) -> int | None:
        """Return an integer; None if there is none."""
        return None if self.content.get(key) is None else self.integer(key)

    def number_or_none(self, key: str) -> float | None:
        """Return a number; None if there is none."""
        return None if self.content.get(key) is None else self.number(key)

    def text_or_none(self, key: str) -> str | None:
        """Return a text; None if there is none."""
        return None if self.content.get(key) is None else self.text(key)

    def object(self, key: str) -> Fields:
        """Return an object; one without fields if there is none."""
        value = self.content.get(key)
        return Fields.of({} if value is None else value, f"`{key}` of {self.where}")

    def items(self, key: str) -> list[JsonValue]:
        """Return the items of an array; none if there is no array. Raises: RecordError."""
        value = self.content.get(key)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise self.damaged(key, "an array")
        return list(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return an array of texts. Raises: RecordError."""
        items = self.items(key)
        texts = tuple(item for item in items if isinstance(item, str))
        if len(texts) != len(items):
            raise self.damaged(key, "an array of texts")
        return texts

    def integers(self, key: str) -> dict[str, int]:
        """Return an object of integers by name."""
        inner = self.object(key)
        return {name: inner.integer(name) for name in inner.content}

    def numbers(self, key: str) -> dict[str, float]:
        """Return an object of numbers by name."""
        inner = self.object(key)
        return {name: inner.number(name) for name in inner.content}


def lost_boards_of(fields: Fields) -> tuple[LostBoard, ...]:
    """Return the lost boards of a result or a report. Raises: RecordError."""
    boards = [
        Fields.of(item, f"a lost board of {fields.where}") for item in fields.items("lost_boards")
    ]
    return tuple(LostBoard(b.text("node"), b.integer("frame"), b.text("reason")) for b in boards)


def expectations_of(fields: Fields) -> tuple[ExpectationResult, ...] | None:
    """Return the expectations of a result or a report; None if there is nothing about them. Raises:
    RecordError."""
    if fields.content.get("expectations") is None:
        return None
    # A screen that shows no ended run does without the scenario's model, which is heavy.
    from hil.scenario import ExpectationResult  # noqa: PLC0415

    entries = [
        Fields.of(item, f"an expectation of {fields.where}")
        for item in fields.items("expectations")
    ]
    return tuple(
        ExpectationResult(
            e.text("metric"),
            e.text("wanted"),
            e.number_or_none("measured"),
            e.boolean("ok"),
            e.boolean("default", default=False),
        )
        for e in entries
    )


def recorded_result(
    content: JsonObject, run_dir: Path, wall_us: int, *, paced: bool = False
) -> RunResult:
    """Return the result of a finished run from what its record says of it. The folder may have been
    moved since: it is `run_dir` now. `wall_us`: real time of its frames [us]; `paced`: whether the
    scenario has a pace. Raises: RecordError if it makes no sense."""
    fields = Fields(content, f"the result in {run_dir}")
    outcome = fields.text("outcome")
    if outcome not in EXIT_OF_OUTCOME:
        raise fields.damaged("outcome", "an outcome")
    expectations = expectations_of(fields)
    return RunResult(
        outcome=outcome,
        run_dir=run_dir,
        name=fields.text_or_none("name"),
        seed=fields.integer_or_none("seed"),
        campaign_mode=fields.text("campaign_mode", ""),
        accel=fields.number("accel", 1.0),
        frames=fields.integer("frames", 0),
        skipped=fields.integer("skipped", 0),
        verdicts=fields.integers("verdicts"),
        upsets=_upset_totals(fields.object("upsets")),
        recoveries=fields.integer("recoveries", 0),
        availability=fields.number("availability", 0.0),
        slips=fields.integer("slips", 0),
        unexplained=fields.integer("unexplained", 0),
        held_frames=fields.integer("held_frames", 0),
        commands=fields.integer("commands", 0),
        wall_us=wall_us,
        expectations=expectations,
        run_digest=fields.text("run_digest", ""),
        not_reproducible=_not_reproducible(fields, paced=paced),
        plant=None if content.get("plant") is None else fields.numbers("plant"),
        metrics=fields.numbers("metrics"),
        held_back=fields.integer("held_back", 0),
        planned_frames=fields.integer_or_none("planned_frames"),
        lost=lost_boards_of(fields),
        not_covered=fields.texts("not_covered"),
        left_out=fields.texts("left_out"),
        aborted_by=fields.text("aborted_by", ""),
        unrecorded=frozenset(RUN_KEYS) - content.keys() - _NO_RESULT_KEYS - {"run_dir"},
    )


def _upset_totals(fields: Fields) -> UpsetTotals:
    events = fields.object("events")
    return UpsetTotals(
        fields.integer("injected", 0),
        fields.integer("verified", 0),
        fields.integer("not_injected", 0),
        UpsetEvents(
            events.integer("injected", 0),
            events.integer_or_none("planned"),
            events.integer_or_none("missed"),
        ),
        fields.integers("by_target"),
        fields.integers("by_node_effect"),
        fields.integers("by_system_outcome"),
        fields.integers("by_activation"),
    )


def _not_reproducible(fields: Fields, *, paced: bool) -> str:
    why = fields.text("not_reproducible", "")
    if why or fields.boolean("reproducible", default=True):
        return why
    return _PACED if paced else _AT_A_TIME

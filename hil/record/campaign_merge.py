"""Merging the result files of parts of one campaign, carried out by several computers: the result
is the file that one of them would have written alone.

Each part names the same campaign; where parts overlap, they must agree in every experiment."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import RecordError
from hil.record.campaign_endings import EndingRow
from hil.record.campaign_file import CampaignFile, write_campaign
from hil.record.campaign_rows import EFFECTS, CampaignMeta, ClassRow, StepRows
from hil.record.campaign_step import step_rows

__all__ = ["Merged", "merge_campaigns"]

_SAME_HIL: Final = "hil_version"


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged result: how many classes it has, and the ranges (first, end) that are missing."""

    classes: int
    missing: tuple[tuple[int, int], ...]


def merge_campaigns(sources: Sequence[Path], out: Path) -> Merged:
    """Write the classes of all `sources` to the new result file `out`.

    Raises: RecordError if a file cannot be read, is of another campaign than the first, or
    disagrees with another one; nothing is written then."""
    with ExitStack() as stack:
        files = [stack.enter_context(CampaignFile(path)) for path in sources]
        first, meta = files[0], files[0].meta
        if meta.sampling is not None:
            raise RecordError(f"{first.path} is a sampled campaign; exact ones have parts to merge")
        for other in files[1:]:
            _check_same_campaign(first, other, meta)
        rows = (first.regions(), first.instructions(), _classes(files), _step(first))
        unread = first.unread_endings()
        write_campaign(out, meta, *rows, endings=_endings(files), unread=unread)
    with CampaignFile(out) as merged:
        return Merged(merged.class_count(), tuple(merged.missing_ranges()))


def _check_same_campaign(first: CampaignFile, other: CampaignFile, meta: CampaignMeta) -> None:
    theirs = other.meta
    for key in CampaignMeta.__slots__:
        mine, its = getattr(meta, key), getattr(theirs, key)
        if mine != its:
            raise RecordError(
                f"{other.path} is of another campaign than {first.path}: its {_words(key)} is "
                f"{_value(its)}, not {_value(mine)}",
                remedy="merge the parts of one campaign, made by the same build of hil",
            )
    tables: tuple[tuple[str, Callable[[CampaignFile], Sequence[object]]], ...] = (
        ("targets", CampaignFile.regions),
        ("instructions", CampaignFile.instructions),
        ("step", lambda file: [_step(file)]),
        ("hits at the end of the step", lambda file: list(file.unread_endings())),
    )
    for what, read in tables:
        if list(read(first)) != list(read(other)):
            raise RecordError(f"{other.path} is of another campaign than {first.path}: its {what}")


def _step(file: CampaignFile) -> StepRows:
    return StepRows() if file.version == 1 else step_rows(file)


def _words(key: str) -> str:
    words = {_SAME_HIL: "version of hil", "plan": "plan of experiments", "path": "path of the step"}
    return words.get(key, key)


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _classes(files: Sequence[CampaignFile]) -> Iterator[ClassRow]:
    """Yield the classes of all files by number, each once.

    Raises: RecordError for the first that differs."""

    def numbered(file: CampaignFile) -> Iterator[tuple[int, ClassRow, CampaignFile]]:
        return ((row.number, row, file) for row in file.classes())

    before: tuple[int, ClassRow, CampaignFile] | None = None
    for entry in heapq.merge(*map(numbered, files), key=lambda entry: entry[0]):
        if before is None or before[0] != entry[0]:
            yield entry[1]
            before = entry
        elif before[1] != entry[1]:
            raise _disagreement(before[1], before[2], entry[1], entry[2])


def _endings(files: Sequence[CampaignFile]) -> Iterator[EndingRow]:
    """Yield what more is known of experiments, by class, each once. Raises: RecordError for the
    first that differs."""

    def numbered(file: CampaignFile) -> Iterator[tuple[int, EndingRow, CampaignFile]]:
        return ((row.number, row, file) for _, _, row in file.endings())

    before: tuple[int, EndingRow, CampaignFile] | None = None
    for entry in heapq.merge(*map(numbered, files), key=lambda entry: entry[0]):
        if before is None or before[0] != entry[0]:
            yield entry[1]
            before = entry
        elif before[1] != entry[1]:
            raise RecordError(
                f"the files disagree in class {entry[0]}: severity or fates of {entry[2].path} are "
                f"not those of {before[2].path}"
            )


def _disagreement(
    mine: ClassRow, first: CampaignFile, its: ClassRow, other: CampaignFile
) -> RecordError:
    number = mine.number
    pairs = zip(mine.effects, its.effects, mine.details, its.details, strict=True)
    for bit, (effect, its_effect, detail, its_detail) in enumerate(pairs):
        if (effect, detail) != (its_effect, its_detail):
            return RecordError(
                f"the files disagree in class {number}, bit {bit}: {first.path} has "
                f"{_outcome(effect, detail)}, {other.path} {_outcome(its_effect, its_detail)}",
                remedy=f"carry it out again: hil campaign {first.path} --repeat {number}.{bit}",
            )
    return RecordError(
        f"the files disagree in class {number}: it is another fault in {other.path} than in "
        f"{first.path}"
    )


def _outcome(effect: int, detail: int) -> str:
    word = EFFECTS[effect].value if effect < len(EFFECTS) else f"effect {effect}"
    return f"{word} ({detail})" if detail else word

"""Merging the result files of parts of one campaign, carried out by several computers: the result
is the file that one of them would have written alone.

Each part names the same campaign; where parts overlap, they must agree in every experiment."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from hil.errors import RecordError
from hil.record.campaign_endings import EndingRow
from hil.record.campaign_file import CampaignFile, write_campaign, write_samples
from hil.record.campaign_rows import (
    EFFECTS,
    CampaignMeta,
    ClassRow,
    InstructionRow,
    PartRow,
    SampleRow,
    SamplingMeta,
    StepRows,
)
from hil.record.campaign_step import part_rows, step_rows

__all__ = ["Merged", "merge_campaigns"]

_SAME_HIL: Final = "hil_version"
_PARTS: Final = "merge the parts of one campaign, made by the same build of hil"

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged result: how many classes or samples it has, and the ranges (first, end) of those
    that are missing."""

    classes: int
    missing: tuple[tuple[int, int], ...]


def merge_campaigns(sources: Sequence[Path], out: Path) -> Merged:
    """Write the experiments of all `sources` to the new result file `out`.

    Raises: RecordError if a file cannot be read, is of another campaign than the first, or
    disagrees with another one; nothing is written then."""
    with ExitStack() as stack:
        files = [stack.enter_context(CampaignFile(path)) for path in sources]
        meta = files[0].meta
        for other in files[1:]:
            _check_same_campaign(files[0], other, meta)
        if meta.sampling is None:
            _merge_exact(files, meta, out)
        else:
            _merge_sampled(files, meta, out)
    with CampaignFile(out) as merged:
        exact = meta.sampling is None
        count = merged.class_count() if exact else merged.sample_count()
        return Merged(count, tuple(merged.missing_ranges()))


def _merge_exact(files: Sequence[CampaignFile], meta: CampaignMeta, out: Path) -> None:
    first = files[0]
    for other in files[1:]:
        _check_same_tables(
            first,
            other,
            ("targets", CampaignFile.regions),
            ("instructions", CampaignFile.instructions),
            ("step", lambda file: [_step(file)]),
            ("hits at the end of the step", lambda file: list(file.unread_endings())),
        )
    classes = _once(files, CampaignFile.classes, lambda row: row.number, _class_disagreement)
    endings = _once(files, _ending_rows, lambda row: row.number, _ending_disagreement)
    rows = (first.regions(), first.instructions(), classes, _step(first))
    write_campaign(out, meta, *rows, endings=endings, unread=first.unread_endings())


def _merge_sampled(files: Sequence[CampaignFile], meta: CampaignMeta, out: Path) -> None:
    first = files[0]
    for other in files[1:]:
        _check_same_tables(
            first, other, ("targets", CampaignFile.regions), ("frames", CampaignFile.frames)
        )
    samples = _once(files, CampaignFile.samples, lambda row: row.number, _sample_disagreement)
    instructions = _once(
        files, CampaignFile.instructions, lambda row: row.address, _instruction_disagreement
    )
    rows = (first.regions(), first.frames(), samples)
    write_samples(out, meta, *rows, instructions=instructions, parts=_named_parts(files))


def _check_same_campaign(first: CampaignFile, other: CampaignFile, meta: CampaignMeta) -> None:
    theirs = other.meta
    for key in CampaignMeta.__slots__:
        mine, its = getattr(meta, key), getattr(theirs, key)
        if mine != its:
            raise _another(first, other, *_difference(key, mine, its))


def _difference(key: str, mine: object, its: object) -> tuple[str, object, object]:
    """Return what of two campaigns differs, and its values."""
    if key != "sampling":
        return key, mine, its
    if isinstance(mine, SamplingMeta) and isinstance(its, SamplingMeta):
        for name in SamplingMeta.__slots__:
            if getattr(mine, name) != getattr(its, name):
                return name, getattr(mine, name), getattr(its, name)
    kinds = ("exact", "sampled")
    return "kind", kinds[mine is not None], kinds[its is not None]


def _another(
    first: CampaignFile, other: CampaignFile, key: str, mine: object, its: object
) -> RecordError:
    return RecordError(
        f"{other.path} is of another campaign than {first.path}: its {_words(key)} is "
        f"{_value(its)}, not {_value(mine)}",
        remedy=_PARTS,
    )


def _check_same_tables(
    first: CampaignFile,
    other: CampaignFile,
    *tables: tuple[str, Callable[[CampaignFile], Sequence[object]]],
) -> None:
    for what, read in tables:
        if list(read(first)) != list(read(other)):
            raise RecordError(f"{other.path} is of another campaign than {first.path}: its {what}")


def _step(file: CampaignFile) -> StepRows:
    return StepRows() if file.version == 1 else step_rows(file)


def _words(key: str) -> str:
    words = {
        _SAME_HIL: "version of hil",
        "plan": "plan of experiments",
        "path": "path of the step",
        "draw": "seed of the draw",
        "sizes": "size of the sample",
        "moment": "unit of time",
        "classes": "number of experiments",
    }
    return words.get(key, key)


def _value(value: object) -> str:
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


# --- rows that several files have -----------------------------------------------------------------


def _once(
    files: Sequence[CampaignFile],
    read: Callable[[CampaignFile], Iterable[Row]],
    key: Callable[[Row], int],
    disagreement: Callable[[Row, CampaignFile, Row, CampaignFile], RecordError],
) -> Iterator[Row]:
    """Yield the rows of all files, which have them by `key`, each once.

    Raises: `disagreement` of the first that differs, and of the files that have it."""

    def keyed(file: CampaignFile) -> Iterator[tuple[int, Row, CampaignFile]]:
        return ((key(row), row, file) for row in read(file))

    before: tuple[int, Row, CampaignFile] | None = None
    for entry in heapq.merge(*map(keyed, files), key=lambda entry: entry[0]):
        if before is None or before[0] != entry[0]:
            yield entry[1]
            before = entry
        elif before[1] != entry[1]:
            raise disagreement(before[1], before[2], entry[1], entry[2])


def _ending_rows(file: CampaignFile) -> Iterator[EndingRow]:
    return (row for _, _, row in file.endings())


def _named_parts(files: Sequence[CampaignFile]) -> list[PartRow]:
    """Return the named parts of all files. Of functions, a file has what its samples have hit: the
    span of all files is that of one with all samples."""
    spans: dict[tuple[int, str], tuple[int, int]] = {}
    for file in files:
        for part in part_rows(file):
            key, end = (part.region, part.name), part.first + part.length
            first, last = spans.get(key, (part.first, end))
            spans[key] = min(first, part.first), max(last, end)
    rows = [PartRow(r, first, end - first, name) for (r, name), (first, end) in spans.items()]
    return sorted(rows, key=lambda part: (part.region, part.first))


def _ending_disagreement(
    mine: EndingRow, first: CampaignFile, its: EndingRow, other: CampaignFile
) -> RecordError:
    del its
    return RecordError(
        f"the files disagree in class {mine.number}: severity or fates of {other.path} are "
        f"not those of {first.path}"
    )


def _instruction_disagreement(
    mine: InstructionRow, first: CampaignFile, its: InstructionRow, other: CampaignFile
) -> RecordError:
    del its
    return RecordError(
        f"the files disagree about the instruction at {mine.address:#x}: {other.path} does not "
        f"name it as {first.path} does",
        remedy="carry out all parts with the extra `campaign`, or all without it",
    )


def _sample_disagreement(
    mine: SampleRow, first: CampaignFile, its: SampleRow, other: CampaignFile
) -> RecordError:
    number = mine.number
    outcomes = [_outcome(EFFECTS.index(row.effect), row.detail) for row in (mine, its)]
    if outcomes[0] == outcomes[1]:
        return RecordError(
            f"the files disagree in sample {number}: it is another fault in {other.path} than in "
            f"{first.path}"
        )
    return RecordError(
        f"the files disagree in sample {number}: {first.path} has {outcomes[0]}, {other.path} "
        f"{outcomes[1]}",
        remedy=f"carry it out again: hil campaign {first.path} --repeat {number}",
    )


def _class_disagreement(
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

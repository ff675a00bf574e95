"""Lists of faults: written, read, and checked against the faults that there are. Their text:
`hil.record.fault_lines`."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hil.campaign.fault_space import BITS, FaultSpace
from hil.campaign.sampling import FaultTable
from hil.errors import ConfigError, Problem, SetupError, UsageError
from hil.record.campaign_rows import MomentUnit
from hil.record.fault_lines import FAULT_COLUMNS, FIRST_LINE, FaultLines
from hil.scenario import UpsetTarget

__all__ = ["FaultListHead", "ListedFaults", "check_faults", "read_faults", "write_faults"]

_KEYS: Final = ("workload", "seed", "frames", "targets")
_MAY_BE_KEYS: Final = ("path",)
_NUMBER_MAX: Final = 1 << 62
_FAULTS_MAX: Final = 10_000_000
_PROBLEMS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class FaultListHead:
    """The head of a list: see `hil.record.fault_lines.FaultLines`."""

    workload: str
    seed: int
    frames: str
    targets: tuple[UpsetTarget, ...]
    moment: MomentUnit
    path: str = ""


@dataclass(frozen=True, slots=True)
class ListedFaults:
    """The faults of a file; `lines` has the line of each."""

    path: Path
    head: FaultListHead
    faults: FaultTable
    lines: tuple[int, ...]


def write_faults(path: Path, head: FaultListHead, faults: FaultTable) -> None:
    """Write a list: all of it, or none. Raises: SetupError if that is not possible."""
    names = [target.value for target in head.targets]
    columns = [column.tolist() for column in faults.columns]
    rows = (
        (number, frame, names[target], byte, bit, moment)
        for number, frame, target, byte, bit, moment in zip(*columns, strict=True)
    )
    text = FaultLines(head.workload, head.seed, head.frames, names, head.moment, head.path)
    draft = path.with_name(f"{path.name}.new")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.writelines(text.lines(rows))
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SetupError(f"{path}: {error.strerror}", remedy="name another file") from error


# --- reading ----------------------------------------------------------------------------------


class _Reader:
    """Reads the lines of one file, and collects what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.keys: dict[str, str] = {}
        self.moment: MomentUnit | None = None
        self.rows = array("q")  # one after the other
        self.lines = array("q")
        self.targets: tuple[UpsetTarget, ...] = ()

    def wrong(self, line: int, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(str(self.path), line, 1 if line else 0, "", message, remedy))

    def comment(self, line: int, text: str) -> None:
        key, colon, value = text.lstrip("# ").partition(":")
        if colon and key.strip() in (*_KEYS, *_MAY_BE_KEYS):
            self.keys[key.strip()] = value.strip()
        elif text.startswith("# hil faults") and text.strip() != FIRST_LINE:
            self.wrong(line, f"`{text.strip()}` is not a version of fault lists that hil knows")

    def columns(self, line: int, text: str) -> None:
        names = tuple(name.strip() for name in text.split(","))
        moments = {moment.value: moment for moment in MomentUnit}
        if names[:-1] != FAULT_COLUMNS or names[-1] not in moments:
            expected = ",".join((*FAULT_COLUMNS, "instruction"))
            self.wrong(line, f"the columns are not `{expected}` (or `tick` as the last one)")
            return
        self.moment = moments[names[-1]]

    def row(self, line: int, text: str) -> None:
        fields = [field.strip() for field in text.split(",")]
        if len(fields) != len(FAULT_COLUMNS) + 1:
            self.wrong(line, f"{len(fields)} fields, not {len(FAULT_COLUMNS) + 1}")
            return
        numbers: list[int] = []
        for name, field in zip((*FAULT_COLUMNS, "moment"), fields, strict=True):
            value = self._target(field) if name == FAULT_COLUMNS[2] else _whole(field)
            if value is None:
                what = "a target of this list" if name == FAULT_COLUMNS[2] else "a whole number"
                self.wrong(line, f"{name} `{field}` is not {what}")
                return
            numbers.append(value)
        if numbers[4] >= BITS:
            self.wrong(line, f"bit {numbers[4]} is not one of 0 to 7")
        else:
            self.rows.extend(numbers)
            self.lines.append(line)

    def check_numbers(self) -> None:
        """Find numbers that are there more than once."""
        numbers = np.array(self.rows[:: len(FAULT_COLUMNS) + 1], np.int64)
        order = np.argsort(numbers, kind="stable")
        again = order[1:][numbers[order[1:]] == numbers[order[:-1]]]
        for place in np.sort(again)[:_PROBLEMS_MAX].tolist():
            self.wrong(self.lines[place], f"number {numbers[place]} is there twice")

    def _target(self, name: str) -> int | None:
        names = [target.value for target in self.targets]
        return names.index(name) if name in names else None


def _whole(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_NUMBER_MAX)):
        return None
    return int(text) if int(text) < _NUMBER_MAX else None


def read_faults(path: Path) -> ListedFaults:
    """Read a list. Raises: UsageError if there is no such file; ConfigError with each line that is
    wrong."""
    reader = _Reader(path)
    with _reading(path):
        for number, text in _numbered(path):
            if text.startswith("#"):
                reader.comment(number, text)
        _read_targets(reader)
        for number, text in _numbered(path):
            if not text.strip() or text.startswith("#") or (reader.problems and not reader.moment):
                continue
            (reader.row if reader.moment else reader.columns)(number, text)
            if len(reader.problems) >= _PROBLEMS_MAX or len(reader.lines) > _FAULTS_MAX:
                break
    if len(reader.lines) > _FAULTS_MAX:
        reader.wrong(0, f"there are more than {_FAULTS_MAX:,} faults in it", "divide it")
    if not reader.rows and not reader.problems:
        reader.wrong(0, "there is no fault in it")
    reader.check_numbers()
    if reader.problems or reader.moment is None:
        raise ConfigError(sorted(reader.problems, key=lambda problem: problem.line))
    return ListedFaults(path, _head(reader, reader.moment), _table(reader), tuple(reader.lines))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise what goes wrong when a file is read as UsageError."""
    try:
        if path.exists() and not path.is_file():  # it is read twice
            raise UsageError(f"--faults {path} is not a file", remedy="name a list of faults")
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--faults {path}: {error}", remedy="name a list of faults") from error


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers. Some editors put a mark before the first."""
    with path.open(encoding="utf-8-sig") as file:
        yield from enumerate((line.rstrip("\n") for line in file), start=1)


def _read_targets(reader: _Reader) -> None:
    for key in _KEYS:
        if key not in reader.keys:
            reader.wrong(0, f"there is no line `# {key}: ...`", f"it begins with `{FIRST_LINE}`")
    known = {target.value: target for target in UpsetTarget}
    names = [name.strip() for name in reader.keys.get("targets", "").split(",") if name.strip()]
    for number, name in enumerate(names):
        if name not in known:
            reader.wrong(0, f"targets: `{name}` is not a target")
        elif name in names[:number]:
            reader.wrong(0, f"targets: `{name}` is there twice")
    reader.targets = tuple(known[name] for name in names if name in known)
    if _whole(reader.keys.get("seed", "0")) is None:
        reader.wrong(0, f"seed: `{reader.keys['seed']}` is not a whole number")


def _head(reader: _Reader, moment: MomentUnit) -> FaultListHead:
    keys = reader.keys
    return FaultListHead(
        keys["workload"],
        int(keys["seed"]),
        keys["frames"],
        reader.targets,
        moment,
        keys.get("path", ""),
    )


def _table(reader: _Reader) -> FaultTable:
    rows = np.array(reader.rows, dtype=np.int64).reshape(-1, len(FAULT_COLUMNS) + 1)
    return FaultTable(*rows.T.copy())


def check_faults(listed: ListedFaults, space: FaultSpace) -> None:
    """Check that a fault space has all faults of a list. Raises: ConfigError with each that it does
    not have; UsageError for a list whose moments are others than those of the space."""
    head = listed.head
    if head.moment is not space.moment:
        raise UsageError(
            f"{listed.path} counts {head.moment}s, and these boards count {space.moment}s",
            remedy="lists of ticks are for `inproc` boards, those of instructions for all others",
        )
    if head.path and head.path != space.path_digest:
        raise UsageError(
            f"{listed.path} is of another build: its steps take the path {head.path}, those of "
            f"this one {space.path_digest}; the same number of an instruction is not the same "
            "moment",
            remedy="make a list with this build; without its line `# path: ...` it is taken as it "
            "is",
        )
    problems: list[Problem] = []
    places = {frame.frame: number for number, frame in enumerate(space.frames)}
    _, *columns = (column.tolist() for column in listed.faults.columns)
    for line, frame, target, byte, _, moment in zip(listed.lines, *columns, strict=True):
        message = f"frame {frame} is not among {head.frames}"
        if frame in places:
            message = _why_not(space, places[frame], target, byte, moment)
        if message:
            problems.append(Problem(str(listed.path), line, 1, "", message))
            if len(problems) >= _PROBLEMS_MAX:
                break
    if problems:
        raise ConfigError(problems)


def _why_not(space: FaultSpace, frame: int, target: int, byte: int, moment: int) -> str:
    """Return why there is no such fault in the frame of this number; empty if there is one."""
    of, at = space.targets[target], space.frames[frame]
    if byte >= of.length:
        return f"byte {byte}: {of.target} has {of.length} bytes"
    if moment >= at.moments:
        unit = space.moment.value
        return f"{unit} {moment}: frame {at.frame} has {unit}s 0 to {at.moments - 1}"
    if of.first_live is not None and byte < (live := int(of.first_live[frame][moment])):
        return f"byte {byte}: {of.target} begins at byte {live} there, where its pointer is"
    return ""

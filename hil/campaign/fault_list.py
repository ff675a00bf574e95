"""Lists of faults as text: one line for each, readable, and easy to compare and to share.

    # hil faults 1
    # workload: attitude
    # seed: 11
    # frames: 3
    # targets: state,heap
    number,frame,target,byte,bit,instruction
    0,3,state,17,5,1042

The last column is `tick` instead of `instruction` for in-process boards. Lines with `#` that have
another form are comments, and may stand anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hil.campaign.fault_space import BITS, FaultSpace
from hil.campaign.sampling import FaultTable
from hil.errors import ConfigError, Problem, SetupError, UsageError
from hil.record.campaign_rows import MomentUnit
from hil.scenario import UpsetTarget

__all__ = ["FaultListHead", "ListedFaults", "check_faults", "read_faults", "write_faults"]

_FIRST: Final = "# hil faults 1"
_COLUMNS: Final = ("number", "frame", "target", "byte", "bit")
_KEYS: Final = ("workload", "seed", "frames", "targets")
_NUMBER_MAX: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class FaultListHead:
    """The head of a list: what its faults are of. `seed`: the scenario's; `frames` and `targets` as
    the command line has them."""

    workload: str
    seed: int
    frames: str
    targets: tuple[UpsetTarget, ...]
    moment: MomentUnit


@dataclass(frozen=True, slots=True)
class ListedFaults:
    """The faults of a file; `lines` has the line of each."""

    path: Path
    head: FaultListHead
    faults: FaultTable
    lines: tuple[int, ...]


def write_faults(path: Path, head: FaultListHead, faults: FaultTable) -> None:
    """Write a list. Raises: SetupError if that is not possible."""
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in _lines(head, faults))
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}", remedy="name another file") from error


def _lines(head: FaultListHead, faults: FaultTable) -> Iterator[str]:
    yield _FIRST
    yield f"# workload: {head.workload}"
    yield f"# seed: {head.seed}"
    yield f"# frames: {head.frames}"
    yield f"# targets: {','.join(head.targets)}"
    yield ",".join((*_COLUMNS, head.moment.value))
    columns = [column.tolist() for column in faults.columns]
    for number, frame, target, byte, bit, moment in zip(*columns, strict=True):
        yield f"{number},{frame},{head.targets[target].value},{byte},{bit},{moment}"


# --- reading ----------------------------------------------------------------------------------


class _Reader:
    """Reads the lines of one file, and collects what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.keys: dict[str, str] = {}
        self.moment: MomentUnit | None = None
        self.rows: list[tuple[int, ...]] = []
        self.lines: list[int] = []
        self.targets: tuple[UpsetTarget, ...] = ()
        self._numbers: set[int] = set()

    def wrong(self, line: int, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(str(self.path), line, 1 if line else 0, "", message, remedy))

    def comment(self, line: int, text: str) -> None:
        key, colon, value = text.lstrip("# ").partition(":")
        if colon and key.strip() in _KEYS:
            self.keys[key.strip()] = value.strip()
        elif text.startswith("# hil faults") and text.strip() != _FIRST:
            self.wrong(line, f"`{text.strip()}` is not a version of fault lists that hil knows")

    def columns(self, line: int, text: str) -> None:
        names = tuple(name.strip() for name in text.split(","))
        moments = {moment.value: moment for moment in MomentUnit}
        if names[:-1] != _COLUMNS or names[-1] not in moments:
            expected = ",".join((*_COLUMNS, "instruction"))
            self.wrong(line, f"the columns are not `{expected}` (or `tick` as the last one)")
            return
        self.moment = moments[names[-1]]

    def row(self, line: int, text: str) -> None:
        fields = [field.strip() for field in text.split(",")]
        if len(fields) != len(_COLUMNS) + 1:
            self.wrong(line, f"{len(fields)} fields, not {len(_COLUMNS) + 1}")
            return
        numbers: list[int] = []
        for name, field in zip((*_COLUMNS, "moment"), fields, strict=True):
            value = self._target(field) if name == _COLUMNS[2] else _whole(field)
            if value is None:
                what = "a target of this list" if name == _COLUMNS[2] else "a whole number"
                self.wrong(line, f"{name} `{field}` is not {what}")
                return
            numbers.append(value)
        if numbers[0] in self._numbers:
            self.wrong(line, f"number {numbers[0]} is there twice")
        elif numbers[4] >= BITS:
            self.wrong(line, f"bit {numbers[4]} is not one of 0 to 7")
        else:
            self._numbers.add(numbers[0])
            self.rows.append(tuple(numbers))
            self.lines.append(line)

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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--faults {path}: {error}", remedy="name a list of faults") from error
    reader = _Reader(path)
    for number, text in enumerate(lines, start=1):
        if text.startswith("#"):
            reader.comment(number, text)
    _read_targets(reader)
    for number, text in enumerate(lines, start=1):
        if not text.strip() or text.startswith("#") or (reader.problems and not reader.moment):
            continue
        (reader.row if reader.moment else reader.columns)(number, text)
    if not reader.rows and not reader.problems:
        reader.wrong(0, "there is no fault in it")
    if reader.problems or reader.moment is None:
        raise ConfigError(reader.problems)
    return ListedFaults(path, _head(reader, reader.moment), _table(reader), tuple(reader.lines))


def _read_targets(reader: _Reader) -> None:
    for key in _KEYS:
        if key not in reader.keys:
            reader.wrong(0, f"there is no line `# {key}: ...`", f"it begins with `{_FIRST}`")
    known = {target.value: target for target in UpsetTarget}
    names = [name.strip() for name in reader.keys.get("targets", "").split(",") if name.strip()]
    for name in names:
        if name not in known:
            reader.wrong(0, f"targets: `{name}` is not a target")
    reader.targets = tuple(known[name] for name in names if name in known)
    if _whole(reader.keys.get("seed", "0")) is None:
        reader.wrong(0, f"seed: `{reader.keys['seed']}` is not a whole number")


def _head(reader: _Reader, moment: MomentUnit) -> FaultListHead:
    keys = reader.keys
    return FaultListHead(
        keys["workload"], int(keys["seed"]), keys["frames"], reader.targets, moment
    )


def _table(reader: _Reader) -> FaultTable:
    return FaultTable(*np.array(reader.rows, dtype=np.int64).T.copy())


def check_faults(listed: ListedFaults, space: FaultSpace) -> None:
    """Check that a fault space has all faults of a list. Raises: ConfigError with each that it does
    not have."""
    problems: list[Problem] = []
    moments = {frame.frame: frame.moments for frame in space.frames}
    lengths = [target.length for target in space.targets]
    _, *columns = (column.tolist() for column in listed.faults.columns)
    for line, frame, target, byte, _, moment in zip(listed.lines, *columns, strict=True):
        message = ""
        if frame not in moments:
            message = f"frame {frame} is not among {listed.head.frames}"
        elif byte >= lengths[target]:
            name = space.targets[target].target
            message = f"byte {byte}: {name} has {lengths[target]} bytes"
        elif moment >= moments[frame]:
            unit = space.moment.value
            message = f"{unit} {moment}: frame {frame} has {unit}s 0 to {moments[frame] - 1}"
        if message:
            problems.append(Problem(str(listed.path), line, 1, "", message))
    if problems:
        raise ConfigError(problems)

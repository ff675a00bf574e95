"""Reservation of the boards of a bench, across all users of this computer: their ports and
consoles, and the outputs, hub ports, relay lines and outlets that switch their power.

A run has reserved all that it uses from before it opens the first port until it has closed the last
one, so that nobody takes a board that is being power-cycled. All or nothing is reserved: two
programs that wait for each other's boards do not block each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from hil.clock import HOST, Clock
from hil.errors import SetupError
from hil.rig.discovery import adapters
from hil.rig.labgrid_place import PlaceLock
from hil.rig.lock_file import HeldLock, LockInUse, remove_stale_locks
from hil.rig.port_lock import PortReservation, port_lock_name
from hil.scenario import BoardKind, Scenario
from hil.scenario.console import HasConsole
from hil.scenario.places import HasPlace
from hil.scenario.supply import SupplyKind
from hil.scenario.words import is_adapter_name

__all__ = [
    "BenchInUse",
    "BenchReservation",
    "BoardUse",
    "distinct",
    "uses_of",
    "uses_of_power",
    "uses_of_run",
]

_PLACE: Final = "labgrid"
_PORT: Final = "port"
_RETRY_US: Final = 500_000
_RETRY_PLACE_US: Final = 3_000_000
_ANNOUNCE_US: Final = 10_000_000


class _Board(HasConsole, HasPlace, Protocol):
    """A board of a bench, or a node of a scenario."""


class BenchInUse(SetupError):
    """Raised if something of a bench is in use by another program; the message names its owner."""


class _Lock(Protocol):
    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BoardUse:
    """Something of a bench that a board uses. `title` is for people; `port` the port, or empty:
    then `name` is locked among those of `kind`."""

    title: str
    port: str = ""
    kind: str = ""
    name: str = ""

    @property
    def lock(self) -> tuple[str, str]:
        """Return what is locked, as kind and name; two uses of one thing have the same."""
        return (_PORT, port_lock_name(self.port)) if self.port else (self.kind, self.name)

    def reserve(self, run: str) -> _Lock:
        """Reserve it for a run. Raises: LockInUse, SetupError."""
        if self.port:
            return PortReservation(self.port, run)
        if self.kind == _PLACE:
            return PlaceLock(self.name, run)
        return HeldLock(self.kind, self.name, run)


def uses_of(board: _Board) -> list[BoardUse]:
    """Return all that a board uses: its port, its console and what switches its power."""
    uses: list[BoardUse] = []
    if board.labgrid is not None:
        uses.append(_place_of(board, board.labgrid))
    for what, place in (
        ("port", board.adapter or board.port),
        ("console port", board.console),
    ):
        if place is None:
            continue
        title = f"{what} {place} of {board.name}"
        is_adapter = is_adapter_name(place)
        if is_adapter:
            uses.append(BoardUse(title, kind="adapter", name=place))
        if device := _device_of(place) if is_adapter else place:
            uses.append(BoardUse(title, port=device))
    return uses + [use for use in uses_of_power(board) if use not in uses]


def distinct(uses: Iterable[BoardUse]) -> list[BoardUse]:
    """Return the uses without those that are one thing with an earlier one, under another name."""
    by_lock: dict[tuple[str, str], BoardUse] = {}
    for use in uses:
        by_lock.setdefault(use.lock, use)
    return list(by_lock.values())


def uses_of_run(scenario: Scenario) -> list[BoardUse]:
    """Return all that the real boards of a scenario use."""
    boards = [node for node in scenario.rig.nodes if node.board is BoardKind.SERIAL]
    return [use for board in boards for use in uses_of(board)]


def uses_of_power(board: HasConsole) -> list[BoardUse]:
    """Return what switches the power of a board, if that can be named."""
    power = board.power
    if power is not None and power.kind is SupplyKind.LABGRID and power.place is not None:
        return [_place_of(board, power.place)]
    output = None if power is None else power.output
    if power is None or output is None:
        return []
    name = power.resolved_output() or output
    return [BoardUse(f"{output}, which switches {board.name},", kind="output", name=name)]


def _place_of(board: HasConsole, place: str) -> BoardUse:
    return BoardUse(f"labgrid place {place} of {board.name}", kind=_PLACE, name=place)


def _device_of(adapter: str) -> str:
    """Return the present device of an adapter; empty if it has none, which opening it reports."""
    try:
        return adapters.find(adapter)
    except SetupError:
        return ""


class BenchReservation:
    """The reservation of `uses` for this process. `run`: the folder of the run that uses them.
    A context manager; leaving it releases everything. Not thread-safe."""

    def __init__(self, uses: Sequence[BoardUse], run: str | Path = "", clock: Clock = HOST) -> None:
        # Places last: to ask for one takes longest.
        self._uses = sorted(uses, key=lambda use: use.kind == _PLACE)
        self._run = str(Path(run).absolute()) if run else ""
        self._clock = clock
        self._held: list[_Lock] = []

    def acquire(self, wait_us: int = 0, announce: Callable[[str], None] = lambda _: None) -> None:
        """Reserve everything, waiting for up to `wait_us` [us] as long as something is in use.
        `announce` gets a sentence that says for whom this waits, when that changes and every ten
        seconds.

        Raises: BenchInUse with the owner; SetupError if a lock cannot be made, or two uses are one
        thing."""
        self._refuse_two_names()
        began_us = self._clock.now_us()
        last, said_us = "", 0
        while True:
            busy = self._try_all()
            if busy is None:
                remove_stale_locks()
                return
            now_us = self._clock.now_us()
            left_us = wait_us - (now_us - began_us)
            if left_us <= 0:
                waited = f", still after {wait_us / 1e6:g} s" if wait_us else ""
                raise BenchInUse(
                    f"{busy}{waited}",
                    remedy="wait until that program has ended (`hil run` does with --wait-bench "
                    "10m), or choose other boards with --use",
                )
            if busy != last or now_us - said_us >= _ANNOUNCE_US:
                last, said_us = busy, now_us
                announce(f"{busy}; waiting for it, {left_us / 1e6:.0f} s at most")
            places = self._uses and self._uses[-1].kind == _PLACE
            self._clock.sleep_us(min(left_us, _RETRY_PLACE_US if places else _RETRY_US))

    def _refuse_two_names(self) -> None:
        by_lock: dict[tuple[str, str], BoardUse] = {}
        for use in self._uses:
            other = by_lock.setdefault(use.lock, use)
            if other is not use:
                raise SetupError(
                    f"{other.title} and {use.title} are one",
                    remedy="two names lead to the same thing: correct one of them in the bench "
                    "file; `hil bench test` says which board is where",
                )

    def _try_all(self) -> str | None:
        """Reserve everything, or nothing; return what is in use then, and by whom."""
        try:
            for use in self._uses:
                self._held.append(use.reserve(self._run))
        except LockInUse as error:
            self.release()
            return f"{use.title} is in use by {error}"
        except BaseException:
            self.release()
            raise
        return None

    def release(self) -> None:
        """Release everything. Idempotent."""
        while self._held:
            self._held.pop().release()

    def __enter__(self) -> BenchReservation:  # noqa: PYI034  (Python 3.10 has no typing.Self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

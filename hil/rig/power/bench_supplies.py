"""The supplies of a bench without a run: to read, switch and cycle the power of single boards.

    with BenchSupplies(load_bench("bench.yaml")) as supplies:
        print(supplies.power("left").read().watts)
        supplies.power("left").cycle()

Transactions are locked against runs of other processes that use the same instruments.
"""

from __future__ import annotations

from types import TracebackType

from hil.board_types.supply_limits import check_supply, supply_range
from hil.errors import UsageError
from hil.rig.power import Power, make
from hil.scenario import BenchConfig

__all__ = ["BenchSupplies"]


class BenchSupplies:
    """The supplies of the boards of a bench, by the names of the boards. A context manager; leaving
    it releases the instruments and leaves the power of all boards as it is.

    `names` has the boards with a supply, in the order of the bench file. An instrument is opened
    when it is first used, so that one that is switched off harms no other.

    Raises: SetupError if a supply is to give a voltage that its board does not stand."""

    def __init__(self, bench: BenchConfig) -> None:
        self._powers: dict[str, Power] = {}
        self._boards = tuple(board.name for board in bench.boards)
        for board in bench.boards:
            if board.power is not None:
                check_supply(board.name, board.power, board.profile)
                self._powers[board.name] = make(
                    board.name, board.power, supply_range(board.profile)
                )
        self.names = tuple(self._powers)

    def power(self, name: str) -> Power:
        """Return the supply of board `name`. Raises: UsageError if there is no such board, or
        nothing switches its power."""
        if name not in self._boards:
            raise UsageError(
                f"the bench has no board `{name[:80]}`; it has {', '.join(self._boards)}"
            )
        if name not in self._powers:
            raise UsageError(
                f"nothing is known that switches the power of board {name}",
                remedy="add `power:` to the board in the bench file (boards/README.md)",
            )
        return self._powers[name]

    def close(self) -> None:
        """Release all instruments. Idempotent."""
        for power in self._powers.values():
            power.close()

    def __enter__(self) -> BenchSupplies:  # noqa: PYI034  (Python 3.10 has no typing.Self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

"""The choice of the executor that carries a campaign out: a cluster, or boards of this computer,
which are reserved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hil.campaign.cluster import ClusterExecutor
from hil.campaign.executor import BoardSource, Executor
from hil.campaign.local import LocalExecutor
from hil.rig.reservation import BenchReservation, uses_of_run
from hil.scenario import BoardKind, Scenario

__all__ = ["end_if", "open_executor"]

Board = TypeVar("Board")


@contextmanager
def open_executor(
    scenario: Scenario,
    source: BoardSource[Board],
    workers: int,
    dask: str | None,
    say: Callable[[str], None],
) -> Iterator[Executor[Board]]:
    """Yield what carries experiments out on boards of `source`: the cluster whose scheduler has the
    address `dask`, or `workers` boards of this computer.

    Raises: as `hil.campaign.cluster.ClusterExecutor` and `hil.campaign.local.LocalExecutor`;
    UsageError, SetupError if a board is in use."""
    if dask is not None:
        with ClusterExecutor(source, dask, say) as cluster:
            yield cluster
        return
    nodes = scenario.rig.nodes
    kind = nodes[0].board
    # There are no more real boards than there are.
    count = min(workers, len(nodes)) if kind is BoardKind.SERIAL else workers
    with BenchReservation(uses_of_run(scenario)) as reservation:
        reservation.acquire()
        pinned = kind is BoardKind.PROCESS
        with LocalExecutor(source, count, pinned=pinned, say=say) as local:
            yield local


def end_if(stopped: Callable[[], bool]) -> None:
    """Raise KeyboardInterrupt if a campaign is to end early."""
    if stopped():
        raise KeyboardInterrupt

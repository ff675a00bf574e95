"""The executor on a cluster of dask.distributed: workers open boards of their own.

Each worker offers its boards as the resource `hil-board`. A task is a range of experiments, and its
outcome depends on that alone; a task whose worker is lost is carried out by another one, and its
result counts once, because only this process keeps results."""

from __future__ import annotations

import contextlib
import importlib
import logging
import pickle
import queue
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

from hil import __version__
from hil.campaign import cluster_tasks
from hil.campaign.cluster_tasks import DONE, FAILED, TaskReply
from hil.campaign.executor import BoardSource, Experiments, RangeOutcomes
from hil.campaign.ranges import Range, pieces
from hil.errors import NodeError, SetupError, UsageError
from hil.extras import install_command

__all__ = ["RESOURCE", "ClusterExecutor"]

RESOURCE: Final = "hil-board"
_CONNECT_S: Final = 10
_CLOSE_S: Final = 5
_POLL_S: Final = 0.5
_TRIES: Final = 3
_PIECES_OF_BOARD: Final = 8
_PIECE_MIN: Final = 98
_PIECE_MAX: Final = 2000
"""Units in a task: enough that its walk to the first does not count, few enough that little is lost
with a worker."""
_CONTINUES: Final = "the same command continues the campaign"
_START_ONE: Final = "start one with `dask scheduler`, and name the address that it prints"

Board = TypeVar("Board")
Answer = TypeVar("Answer")


class ClusterExecutor(Generic[Board]):
    """Carries out experiments on boards that workers open from `source`. `address`: that of the
    scheduler; `say` gets what a user should know.

    Use it as a context manager. Raises: when it is entered, SetupError without the package
    distributed, without a scheduler there, without a worker that offers a board, or with one that
    has another version of hil; UsageError if the address is not valid."""

    def __init__(
        self, source: BoardSource[Board], address: str, say: Callable[[str], None]
    ) -> None:
        self._source = pickle.dumps(source)
        self._address = address
        self._say = say
        self._client: Any = None
        self._boards = 0

    def __enter__(self) -> ClusterExecutor[Board]:
        self._client = _connected(self._address)
        try:
            self._boards = self._check_workers()
        except BaseException:
            self._client.close(_CLOSE_S)
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(Exception):  # the scheduler may be gone, and workers with it
            self._client.run(cluster_tasks.close_boards, self._source, on_error="ignore")
        with contextlib.suppress(Exception):
            self._client.close(_CLOSE_S)

    def _check_workers(self) -> int:
        """Return how many boards the workers offer. Raises: SetupError if there are none, or a
        worker that offers some has another version of hil, or none."""
        offers = _offers(self._client)
        boards = sum(offers.values())
        if not boards:
            raise SetupError(
                f"no worker of {self._address} offers a board",
                remedy=f"start workers with: dask worker {self._address} --nthreads 1 "
                f"--resources {RESOURCE}=1",
            )
        versions = self._client.run(cluster_tasks.version, workers=list(offers), on_error="return")
        for worker, version in versions.items():
            if version != __version__:
                what = f"hil {version}" if isinstance(version, str) else "no hil that is known here"
                raise SetupError(
                    f"worker {worker} has {what}, and this is hil {__version__}",
                    remedy="install this release of hil on all workers",
                )
        self._say(f"{len(offers)} workers of {self._address} offer {boards} boards")
        return boards

    def ask(self, question: Callable[[Board], Answer]) -> Answer:
        """Return what `question` answers about a board of some worker."""
        packed = pickle.dumps(question)
        for left in reversed(range(_TRIES)):
            task = self._submit(cluster_tasks.answer_question, self._source, packed)
            reply = self._reply_of(task)
            if reply.status == DONE:
                answer: Answer = pickle.loads(reply.content)  # noqa: S301
                return answer
            if reply.status != FAILED or not left:
                raise _error_of(reply)
        raise AssertionError  # the last try returns or raises

    def carry_out(
        self,
        experiments: Experiments[Board],
        ranges: Sequence[Range],
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out the units of `ranges`, in pieces. A piece whose board fails is tried again, and
        one whose worker is lost is given to another."""
        units = sum(end - first for first, end in ranges)
        size = units // (_PIECES_OF_BOARD * self._boards)
        size = max(_PIECE_MIN, min(_PIECE_MAX, size))
        # The data is a task of its own: it is made again if all workers that have it are lost.
        data = self._client.submit(bytes, pickle.dumps(experiments), pure=False)
        tries: Counter[Range] = Counter()
        waiting: dict[Any, Range] = {}
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def submit(piece: Range) -> None:
            task = self._submit(cluster_tasks.carry_out_range, self._source, data, *piece)
            waiting[task.key] = piece
            task.add_done_callback(done.put)
            tasks.append(task)

        tasks: list[Any] = []
        try:
            for piece in pieces(ranges, size):
                submit(piece)
            for task in self._ended(waiting, done, stopped):
                piece = waiting.pop(task.key)
                tries[piece] += 1
                reply = self._reply_of(task)
                task.release()
                if reply.status == DONE:
                    effects, details, more = pickle.loads(reply.content)  # noqa: S301
                    count, by = piece.end - piece.first, reply.worker
                    keep(RangeOutcomes(piece.first, count, effects, details, by, more))
                elif reply.status == FAILED and tries[piece] < _TRIES:
                    self._say(f"{reply.message}; another try")
                    submit(piece)
                else:
                    raise _error_of(reply)
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.cancel([task for task in tasks if task.key in waiting])

    def _ended(
        self,
        waiting: dict[Any, Range],
        done: queue.SimpleQueue[Any],
        stopped: Callable[[], bool],
    ) -> Iterator[Any]:
        """Yield tasks as they end, until none is left, or `stopped` returns true."""
        alone = False
        while waiting and not stopped():
            try:
                yield done.get(timeout=_POLL_S)
            except queue.Empty:
                if self._client.status == "closed":
                    raise self._lost() from None
                was_alone, alone = alone, not self._client.nthreads()
                if alone and not was_alone:
                    self._say(f"no worker of {self._address} is left: waiting for one")

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._client.submit(
            function, __version__, *arguments, resources={RESOURCE: 1}, pure=False
        )

    def _reply_of(self, task: Any) -> TaskReply:
        """Return the reply of a task. Raises: SetupError if it has none."""
        try:
            return TaskReply(*task.result())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # of dask: a class of its own for each way to fail
            if task.cancelled() or self._client.status != "running":
                raise self._lost() from error
            raise SetupError(
                f"the cluster at {self._address} cannot carry out a task: "
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                remedy=f"look at the logs of its workers; {_CONTINUES}",
            ) from error

    def _lost(self) -> SetupError:
        return SetupError(
            f"the connection to the scheduler at {self._address} is lost",
            remedy=f"start it again; {_CONTINUES}",
        )


def _error_of(reply: TaskReply) -> SetupError | NodeError:
    error = NodeError if reply.status == FAILED else SetupError
    return error(reply.message, remedy=reply.remedy or None)


def _connected(address: str) -> Any:
    """Return a client of the scheduler at `address`. Raises: SetupError, UsageError."""
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise SetupError(
            "--dask needs the package distributed", remedy=install_command("dask")
        ) from error
    for name in ("distributed", "tornado"):  # what they report is said in one sentence here
        logging.getLogger(name).setLevel(logging.CRITICAL)
    addressing: Any = importlib.import_module("distributed.comm.addressing")
    try:
        addressing.resolve_address(address)  # a client that is none prints a traceback later
        # closed where it is used: collecting one that never connected would print a traceback
        client = type("Client", (distributed.Client,), {"__del__": lambda _: None})
        return client(address, timeout=_CONNECT_S, set_as_default=False)
    except ValueError as error:
        raise UsageError(
            f"--dask {address}: {error}", remedy="an address is like tcp://192.168.1.10:8786"
        ) from error
    except (OSError, TimeoutError) as error:
        raise SetupError(f"no dask scheduler answers at {address}", remedy=_START_ONE) from error
    except MemoryError as error:  # it takes the first bytes of another protocol for a length
        raise SetupError(
            f"what answers at {address} is no dask scheduler", remedy=_START_ONE
        ) from error


def _offers(client: Any) -> dict[str, int]:
    """Return how many boards each worker offers that offers one, by its address."""
    try:
        info = client.scheduler_info(n_workers=-1)
    except TypeError:  # before distributed 2025.4, which reports some of many
        info = client.scheduler_info()
    return {
        address: min(int(worker["resources"][RESOURCE]), int(worker["nthreads"]))
        for address, worker in info["workers"].items()
        if worker.get("resources", {}).get(RESOURCE)
    }

"""The tasks that workers of a cluster carry out, each with a board of its own.

Arguments and answers are made of bytes, numbers and texts alone, and begin with the version: a
worker with another version of hil may not know the same classes, and is to say so in a sentence. No
exception crosses the wire, for the same reason."""

from __future__ import annotations

import hashlib
import importlib
import pickle
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hil import __version__
from hil.campaign.board_pool import BoardPool
from hil.campaign.executor import Experiments, RangeOutcomes
from hil.campaign.ranges import Range
from hil.errors import HilError, LinkError, NodeError

__all__ = [
    "DONE",
    "FAILED",
    "REFUSED",
    "TaskReply",
    "answer_question",
    "carry_out_range",
    "close_boards",
    "key_of",
    "version",
]

DONE: Final = "done"
FAILED: Final = "failed"
"""A board or its link failed: another try may help."""
REFUSED: Final = "refused"
"""This worker cannot do it, however often it is asked."""

_POOL: Final = BoardPool()
_UNPACKED: dict[str, Any] = {}


class TaskReply(NamedTuple):
    """The answer of a task. `status`: DONE, FAILED or REFUSED; `content`: pickled; `message` and
    `remedy`: of a failure; `worker`: who answers."""

    status: str
    content: bytes
    message: str
    remedy: str
    worker: str


def version() -> str:
    """Return the version of hil on this worker."""
    return __version__


def key_of(packed: bytes) -> str:
    """Return a short name of something packed."""
    return hashlib.blake2b(packed, digest_size=16).hexdigest()


def answer_question(wanted: str, source: bytes, question: bytes) -> tuple[Any, ...]:
    """Return what a question answers about a board of this worker, as a `TaskReply`."""

    def answer() -> tuple[bytes, str]:
        boards, ask = pickle.loads(source), pickle.loads(question)  # noqa: S301
        with _POOL.lend(key_of(source), boards, lambda _: None, "") as (number, board):
            return pickle.dumps(ask(board)), f" board {number + 1}"

    return tuple(_reply(wanted, answer))


def carry_out_range(
    wanted: str, source: bytes, experiments: bytes, first: int, end: int
) -> tuple[Any, ...]:
    """Carry out the experiments of a range; return their effects, details and endings, as a
    `TaskReply`."""

    def carried_out() -> tuple[bytes, str]:
        boards = pickle.loads(source)  # noqa: S301
        work: Experiments[Any] = _unpacked(experiments)
        parts: list[RangeOutcomes] = []
        with _POOL.lend(key_of(source), boards, work.admit, work.digest) as (number, board):
            work.carry_out(board, Range(first, end), parts.append, lambda: False)
        effects = b"".join(part.effects for part in parts)
        details = b"".join(part.details for part in parts)
        endings = b"".join(part.endings for part in parts)
        return pickle.dumps((effects, details, endings)), f" board {number + 1}"

    return tuple(_reply(wanted, carried_out))


def close_boards(source: bytes) -> None:
    """Close the boards of a campaign: those that carry out a task, after it."""
    _POOL.end(key_of(source))
    _UNPACKED.clear()


def _unpacked(packed: bytes) -> Any:
    key = key_of(packed)
    value = _UNPACKED.get(key)
    if value is None:
        value = pickle.loads(packed)  # noqa: S301
        _UNPACKED.clear()
        _UNPACKED[key] = value
    return value


def _reply(wanted: str, task: Callable[[], tuple[bytes, str]]) -> TaskReply:
    worker = _worker_name()
    if wanted != __version__:
        return _failure(REFUSED, f"it has hil {__version__}, not {wanted}", _SAME, worker)
    try:
        content, board = task()
    except (LinkError, NodeError) as error:
        return _failure(FAILED, error.message, error.remedy or "", worker)
    except HilError as error:
        return _failure(REFUSED, error.message, error.remedy or "", worker)
    except (AttributeError, ImportError, pickle.UnpicklingError) as error:
        return _failure(REFUSED, f"it has another build of hil ({error})", _SAME, worker)
    return TaskReply(DONE, content, "", "", f"{worker}{board}")


_SAME: Final = "install this release of hil on all workers"


def _failure(status: str, message: str, remedy: str, worker: str) -> TaskReply:
    return TaskReply(status, b"", f"worker {worker}: {message}", remedy, worker)


def _worker_name() -> str:
    distributed: Any = importlib.import_module("distributed")
    return str(distributed.get_worker().name)

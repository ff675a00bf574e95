"""The choice of boards of a bench (`--use`): by name, by tag, or by profile."""

from __future__ import annotations

from collections.abc import Sequence

from hil.errors import UsageError
from hil.scenario.bench import BenchBoardConfig, BenchConfig
from hil.scenario.problems import did_you_mean

__all__ = ["boards_of", "words_of"]


def words_of(text: str | None) -> tuple[str, ...]:
    """Return the words of a `--use` option, which commas separate; none if it is not given.

    Raises: UsageError if it is given without a word, as with a variable that is empty: that must
    not choose all boards."""
    words = tuple(word for part in (text or "").split(",") if (word := part.strip()))
    if text is not None and not words:
        raise UsageError("--use names no board", remedy="--use left,right, or leave it out")
    return words


def boards_of(bench: BenchConfig, use: Sequence[str]) -> tuple[BenchBoardConfig, ...]:
    """Return the boards that `use` chooses, in its order and each once: a word is the name of a
    board, a tag, or a profile, which choose all boards that have them, those marked absent last.

    Raises: UsageError if a word chooses no board."""
    chosen: list[BenchBoardConfig] = []
    for word in use:
        boards = [board for board in bench.boards if board.name == word] or sorted(
            (b for b in bench.boards if word in b.tags or word == b.profile),
            key=lambda board: board.absent,
        )
        if not boards:
            known = sorted({word for board in bench.boards for word in _words(board)})
            raise UsageError(
                f"--use: the bench has no board, tag or profile `{word[:80]}`; it has "
                f"{', '.join(known)}",
                remedy=did_you_mean(word, known) or "hil check BENCH shows its boards",
            )
        chosen += [board for board in boards if board not in chosen]
    return tuple(chosen)


def _words(board: BenchBoardConfig) -> list[str]:
    return [board.name, *board.tags, *([board.profile] if board.profile else [])]

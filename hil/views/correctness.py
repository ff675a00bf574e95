"""The correctness of answers, by the fault-free result and not by the majority. Pure.

A voter knows only which nodes agree. The record has more: the golden run computes each frame
without faults. If a wrong majority outvotes the right node, both are reported.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from hil.redundancy.voting import NodeStatus

__all__ = ["OUTVOTED", "Answered", "answer_words", "answered", "names_text"]

OUTVOTED: Final = "right but outvoted"
"""The words for a node that is right where the delivered output is wrong."""


class Answered(enum.Enum):
    """The correctness of the answer of a node."""

    RIGHT = "right"  # output and state are those of the fault-free run
    WRONG_STATE = "wrong state"  # the output is right, the state is not
    WRONG = "wrong"  # the output is not that of the fault-free run
    NOTHING = "nothing"  # it gave no answer: crashed, hung, silent, ...
    EXCLUDED = "excluded"  # it was not asked
    UNKNOWN = "unknown"  # of a checker: the record does not have what would be right


def answered(
    status: str,
    output: str,
    state: str,
    golden: tuple[str, str],
    *,
    accepted: bool = False,
    states_ignored: bool = False,
) -> Answered:
    """Return whether an answer is correct; all digests are hex text, as the record has them.

    `accepted`: the output agrees with one that is correct, which need not be identical to a voter
    by value. `states_ignored`: states are not compared."""
    if status != NodeStatus.DONE.word:
        return Answered.EXCLUDED if status == NodeStatus.EXCLUDED.word else Answered.NOTHING
    if output != golden[0] and not accepted:
        return Answered.WRONG
    right = state == golden[1] or states_ignored
    return Answered.RIGHT if right else Answered.WRONG_STATE


def answer_words(
    answer: Answered, *, dissents: bool, latent: bool, delivered: bool, correct: bool
) -> str:
    """Return the correctness of an answer in words; empty for a correct one and for none.

    `dissents` and `latent`: its differences in the vote. `delivered`: an output left the system,
    and it was `correct`."""
    if answer in {Answered.NOTHING, Answered.EXCLUDED}:
        return ""
    if answer is Answered.UNKNOWN:
        return "differs"
    if answer is Answered.WRONG:
        if not delivered:
            return "wrong"
        if correct:
            return "dissents" if dissents else "wrong at first"
        return "WRONG and dissents" if dissents else "WRONG"
    if answer is Answered.RIGHT:
        if not delivered:
            return "right"
        return OUTVOTED if latent or not correct else ""
    return "latent" if latent and correct else "wrong state"


def names_text(names: Iterable[str]) -> str:
    """Return names as a list in words: `a`, `a and b`, `a, b and c`."""
    words = list(names)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

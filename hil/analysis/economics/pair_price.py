"""Two priced runs beside each other: which one has fewer wrong answers, whether that is shown, and
from which price of a wrong answer on the dearer one pays.

It is shown if the ranges of both numbers of wrong answers exclude each other. Two predictions for
one orbit and board share the upsets of a bit: only what they do not share counts, the ranges of
their open bits, which exact campaigns do not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.analysis.economics.answer_cost import break_even_wrong_answer_usd
from hil.analysis.economics.conditions import differences, why_not_the_same_work
from hil.analysis.economics.priced_run import PRICE_SHARES, PricedRun
from hil.analysis.economics.uncertainty import draws, percentiles
from hil.analysis.economics.work import Work
from hil.board_types.spread import Spread

if TYPE_CHECKING:
    from hil.json_values import JsonObject

__all__ = ["PairPrice", "fewer_wrong", "pair_price"]

_SUNLIGHT: Final = 0.005
"""Shares of sunlight that differ by less are printed alike."""


@dataclass(frozen=True, slots=True)
class PairPrice:
    """Two runs, the cheaper one first, and the price of a wrong answer [USD] from which the dearer
    one pays.

    `refused`: why their answers are not the same work; the two are then in the order given, and
    nothing else is known of them. `differences`: sentences on what else differs. `fewer`: how many
    fewer wrong answers the dearer one has for each correct one, below 0 if it has more. `same`:
    both cost the same. `usd`: the price, below which 5, 50 and 95 % of the draws lie, if `shown`.
    `least_usd` and `most_usd`: the same at the ends of `fewer`; only the least one is known if the
    dearer run may have no fewer wrong answers, and none if it has no fewer."""

    cheap: str
    dear: str
    refused: str = ""
    differences: tuple[str, ...] = ()
    fewer: Spread | None = None
    same: bool = False
    usd: tuple[float, ...] | None = None
    least_usd: tuple[float, ...] | None = None
    most_usd: tuple[float, ...] | None = None

    @property
    def shown(self) -> bool:
        """Return whether the runs show that the dearer one has fewer wrong answers."""
        return self.fewer is not None and self.fewer.low > 0.0

    @property
    def more(self) -> bool:
        """Return whether the runs show that the dearer one has more wrong answers."""
        return self.fewer is not None and self.fewer.high < 0.0

    @property
    def no_fewer(self) -> bool:
        """Return whether the dearer one has no fewer wrong answers whatever the ranges allow."""
        return self.fewer is not None and self.fewer.high <= 0.0

    def as_json(self) -> JsonObject:
        """Return it as JSON; a price that is not known is null."""
        fewer = self.fewer
        return {
            "cheap": None if self.refused else self.cheap,
            "dear": None if self.refused else self.dear,
            "runs": [self.cheap, self.dear],
            "same_work": not self.refused,
            "not_compared": self.refused or None,
            "differences": list(self.differences),
            "fewer_wrong_shown": self.shown,
            "more_wrong_shown": self.more,
            "fewer_wrong_per_correct": None
            if fewer is None
            else {"low": fewer.low, "best": fewer.best, "high": fewer.high},
            "same_cost": None if self.refused else self.same,
            "wrong_answer_usd_5_50_95": self.usd and list(self.usd),
            "least_wrong_answer_usd_5_50_95": self.least_usd and list(self.least_usd),
            "most_wrong_answer_usd_5_50_95": self.most_usd and list(self.most_usd),
        }


def fewer_wrong(cheap: Work, dear: Work) -> Spread:
    """Return how many fewer wrong answers the second work has for each correct one: the best value,
    the least that the ranges of both allow, and the most; below 0 if it has more."""
    upsets = cheap.bit_upsets_per_s
    if upsets is None or upsets != dear.bit_upsets_per_s:
        return _less(cheap.wrong_per_correct, dear.wrong_per_correct)
    bits = _less(_bits_per_correct(cheap), _bits_per_correct(dear))
    return Spread(
        bits.low * (upsets.low if bits.low > 0.0 else upsets.high),
        bits.best * upsets.best,
        bits.high * (upsets.high if bits.high > 0.0 else upsets.low),
    )


def _bits_per_correct(work: Work) -> Spread:
    assert work.silent_bits is not None, "a prediction has both factors"
    return work.silent_bits.times(1.0 / work.correct_per_s)


def _less(wrong: Spread, less: Spread) -> Spread:
    return Spread(wrong.low - less.high, wrong.best - less.best, wrong.high - less.low)


def pair_price(a: PricedRun, b: PricedRun, names: tuple[str, str]) -> PairPrice:
    """Return from which price of a wrong answer on the dearer one of two runs pays; `names` are
    theirs, with which a reader tells them apart."""
    titles = [f"{name} ({r.work.counts.scheme})" for r, name in zip((a, b), names, strict=True)]
    refused = why_not_the_same_work(a.conditions, b.conditions)
    if refused:
        return PairPrice(titles[0], titles[1], refused)
    named = zip((a, b), titles, strict=True)
    cheap, dear = sorted(named, key=lambda run: run[0].rows[0].space_draws_usd[1])
    fewer = fewer_wrong(cheap[0].work, dear[0].work)
    drawn = draws(a.terms.prices, a.terms.draws, a.terms.seed)
    # For one wrong answer fewer; for others it is divided by their number.
    one = break_even_wrong_answer_usd(cheap[0].question, dear[0].question, 1.0, drawn)

    def price(number: float) -> tuple[float, ...] | None:
        return percentiles(one / number, PRICE_SHARES) if number > 0.0 else None

    return PairPrice(
        cheap[1],
        dear[1],
        differences=tuple(_differences(a, b, names)),
        fewer=fewer,
        same=not np.any(one),
        usd=price(fewer.best) if fewer.low > 0.0 else None,
        least_usd=price(fewer.high),
        most_usd=price(fewer.low),
    )


def _differences(a: PricedRun, b: PricedRun, names: tuple[str, str]) -> list[str]:
    """Return in sentences what a reader must know of two runs that do the same work."""
    sentences = differences(a.conditions, b.conditions, names)
    lit = [run.sunlight.share for run in (a, b)]
    if abs(lit[0] - lit[1]) >= _SUNLIGHT:
        shares = [f"{share:.1%} in {name}" for share, name in zip(lit, names, strict=True)]
        sentences.append(f"Sunlight: {', '.join(shares)}.")
    if (a.sizes is None) != (b.sizes is None):
        own, load = names if b.sizes is None else names[::-1]
        sentences.append(f"The satellite of {own} is that of its scenario, that of {load} is not.")
    for run, name in zip((a, b), names, strict=True):
        if run.ending is not None and not run.ending.complete:
            frames = f"{run.ending.frames:,} of {run.ending.planned_frames:,} frames"
            sentences.append(f"{name} has {frames}.")
    return sentences

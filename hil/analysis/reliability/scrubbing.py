"""Words with SECDED that are scrubbed: failures of words and memories, and scrub intervals.

Sources: Saleh, Serrano and Patel, Reliability of scrubbing recovery techniques for memory systems
(IEEE Transactions on Reliability 39(1), 1990), for periodic and exponential scrubbing.

Assumptions: each bit of a word, check bits included, flips independently at a constant rate; a word
fails when two or more of its bits are wrong at a scrub (an even number of flips of one bit leaves
it right); scrubbing puts one wrong bit right and takes no time; no event flips two bits of a word,
except where a share of such events is named."""

from __future__ import annotations

import math

__all__ = [
    "exponential_scrub_mean_time",
    "longest_interval",
    "memory_mean_time",
    "multiple_bit_rate",
    "unscrubbed_mean_time",
    "word_failure",
    "wrong_bit",
]


def wrong_bit(rate: float, time: float) -> float:
    """Return the probability that a bit is wrong after `time`: (1 - exp(-2 L T))/2."""
    return -math.expm1(-2.0 * rate * time) / 2.0


def word_failure(bits: int, rate: float, time: float) -> float:
    """Return the probability that a word of `bits` has two or more wrong ones at the end of the
    time between two scrubs: about n (n-1) (L T)^2 / 2. It is a sum of positive terms, so small
    ones have all their digits."""
    wrong = wrong_bit(rate, time)
    return math.fsum(
        math.comb(bits, k) * wrong**k * (1.0 - wrong) ** (bits - k) for k in range(2, bits + 1)
    )


def memory_mean_time(words: int, bits: int, rate: float, interval: float) -> float:
    """Return the mean time until the first of `words` fails, each scrubbed once per `interval`: T/P
    of the whole memory; about 2/(M n (n-1) L^2 T)."""
    of_one = word_failure(bits, rate, interval)
    return interval / -math.expm1(words * math.log1p(-of_one))


def exponential_scrub_mean_time(bits: int, rate: float, scrub_rate: float) -> float:
    """Return the mean time until a word fails that is scrubbed at random times: ((2 n - 1) L +
    mu)/(n (n-1) L^2)."""
    return ((2 * bits - 1) * rate + scrub_rate) / (bits * (bits - 1) * rate**2)


def unscrubbed_mean_time(words: int, bits: int, rate: float) -> float:
    """Return the mean time until the first of many `words` fails without scrubbing: sqrt(pi/(2 M n
    (n-1)))/L, which assumes that few flips have happened by then."""
    return math.sqrt(math.pi / (2.0 * words * bits * (bits - 1))) / rate


def longest_interval(words: int, bits: int, rate: float, failure_rate: float) -> float:
    """Return the longest scrub interval that keeps a memory below a failure rate: 2 F/(M n (n-1)
    L^2)."""
    return 2.0 * failure_rate / (words * bits * (bits - 1) * rate**2)


def multiple_bit_rate(words: int, bits: int, rate: float, share: float) -> float:
    """Return the failure rate of a memory due to events that flip two bits of one word, a `share`
    of all: M n L f. No scrubbing lowers it; bits of a word that lie apart do."""
    return words * bits * rate * share

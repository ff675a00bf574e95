"""SECDED with scrubbing: published values, scipy's binomial, and a chain of one word."""

from __future__ import annotations

import pytest
import scipy  # whose modules load when used

from hil.analysis.reliability.markov import MarkovChain
from hil.analysis.reliability.scrubbing import (
    exponential_scrub_mean_time,
    longest_interval,
    memory_mean_time,
    multiple_bit_rate,
    unscrubbed_mean_time,
    word_failure,
    wrong_bit,
)

_ALSAT = 4.04e-7  # upsets per bit and day
_GIB = 2**27  # words of 64 data bits
_YEAR = 365.25


def test_published_values() -> None:
    assert word_failure(72, _ALSAT, 1 / 24) == pytest.approx(7.24e-13, rel=1e-3)
    assert word_failure(72, _ALSAT, 1.0) == pytest.approx(4.17e-10, rel=1e-3)
    assert memory_mean_time(_GIB, 72, _ALSAT, 1 / 24) / _YEAR == pytest.approx(1.17, abs=0.01)
    assert unscrubbed_mean_time(_GIB, 72, _ALSAT) == pytest.approx(3.75, abs=0.01)
    once_in_five_years = 1 / (5 * _YEAR)
    found = longest_interval(_GIB, 72, _ALSAT, once_in_five_years) * 86_400
    assert found == pytest.approx(845, abs=1.0)


def test_a_word_fails_by_the_binomial_distribution_of_its_wrong_bits() -> None:
    for time in (1e-6, 0.1, 3.0):
        lost = scipy.stats.binom.sf(1, 72, wrong_bit(0.01, time))
        assert word_failure(72, 0.01, time) == pytest.approx(lost, rel=1e-11)


def test_wrong_bits_are_the_chain_of_two_states() -> None:
    chain = MarkovChain({("right", "wrong"): 0.3, ("wrong", "right"): 0.3})
    assert wrong_bit(0.3, 2.0) == pytest.approx(chain.failed("right", ["wrong"], 2.0), rel=1e-12)


def test_random_scrubs_are_the_chain_of_three_states() -> None:
    rate, scrubs, bits = 1e-4, 0.7, 72
    chain = MarkovChain(
        {
            ("right", "one"): bits * rate,
            ("one", "right"): scrubs,
            ("one", "two"): (bits - 1) * rate,
        }
    )
    assert exponential_scrub_mean_time(bits, rate, scrubs) == pytest.approx(
        chain.mean_time("right", ["two"]), rel=1e-12
    )
    assert multiple_bit_rate(10, 72, 1e-6, 0.5) == pytest.approx(3.6e-4)

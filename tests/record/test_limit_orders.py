"""What a row of `limits` says, read as it was written."""

from __future__ import annotations

import json

import pytest

from hil.record.limit_orders import AppliedLimits, OrderedLimits
from hil.wire.messages import Limited, Limits

LIMITED = Limited(400, 2, True, None, "7W", frozenset({"mode", "clock"}), frozenset({"hold"}), 13)


@pytest.mark.parametrize(
    "ordered", [OrderedLimits(None), OrderedLimits(Limits()), OrderedLimits(Limits(250, 2, True))]
)
def test_an_order_is_read_as_it_was_recorded(ordered: OrderedLimits) -> None:
    assert OrderedLimits.of(ordered.text()) == ordered


@pytest.mark.parametrize(
    "applied",
    [
        AppliedLimits(power="off"),
        AppliedLimits(power="not ours: no switch", error="no reply"),
        AppliedLimits(power="not ours: no switch", limits=LIMITED),
        AppliedLimits(limits=LIMITED, instead_of=("clock", "mode")),
    ],
)
def test_what_came_of_an_order_is_read_as_it_was_recorded(applied: AppliedLimits) -> None:
    assert AppliedLimits.of(applied.text()) == applied


def test_records_keep_the_keys_that_they_always_had() -> None:
    assert json.loads(OrderedLimits(None).text()) == {"power": "off"}
    applied = AppliedLimits("not ours: no switch", LIMITED, instead_of=("clock",))
    assert list(json.loads(applied.text()).items()) == [
        ("power", "not ours: no switch"),
        ("duty_permille", 400),
        ("cores", 2),
        ("suspend", True),
        ("clock_khz", None),
        ("mode", "7W"),
        ("refused", ["clock", "mode"]),
        ("means", ["hold"]),
        ("errno", 13),
        ("instead of", ["clock"]),
    ]

"""Every flip of every weight of a model: the loss, what breaks it, and which bits matter."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hil.campaign.input_bench import InputBench
from hil.campaign.unread import AT_ONCE
from hil.campaign.weight_flips import BROKEN_RISE, DRAWN, WeightFlips, bit_groups, flip_weights
from hil.errors import UsageError
from hil.scenario.models import BitRole, NumberFormat, model_of
from hil.wire.campaign import Detail, Site, Space, sites_request
from tests.kernel.workload_rig import Rig

IMAGES = 4


@pytest.fixture(scope="module")
def int8_flips() -> WeightFlips:
    return flip_weights("dense-int8", 5, IMAGES, 2)


def loss_by_hand(workload: str, seed: int, byte: int, mask: int) -> float:
    """The loss with one byte of the state changed, step by step, in plain Python."""
    losses = []
    for frame in range(IMAGES):
        rig = Rig(workload, seed)
        rig.state[byte] ^= mask
        rig.sense(frame)
        output = rig.step()
        kind, scale = ("<i4", 2.0**-16) if "int8" in workload else ("<f4", 1.0)
        logits = [scale * float(value) for value in np.frombuffer(output[4:], kind)]
        top = max(logits)
        if not all(map(math.isfinite, logits)):
            return math.nan
        total = math.log(sum(math.exp(value - top) for value in logits))
        losses.append(total - (logits[rig.input[64]] - top))
    return sum(losses) / len(losses)


def test_the_loss_of_each_flip_is_that_of_its_steps(int8_flips: WeightFlips) -> None:
    flips = int8_flips
    assert flips.loss == pytest.approx(loss_by_hand("dense-int8", 5, 8, 0))
    model = flips.layout
    for weight, bit in ((0, 7), (100, 3), (2047, 7), (2048, 0), (2367, 7), (1500, 6)):
        loss = loss_by_hand("dense-int8", 5, model.offset + weight, 1 << bit)
        assert flips.rise[weight, bit] == pytest.approx(loss - flips.loss, abs=1e-12)
    assert flips.rise.shape == (2368, 8)


def test_groups_count_all_flips(int8_flips: WeightFlips) -> None:
    flips = int8_flips
    sign, rest = bit_groups(flips)
    assert (sign.role, sign.bits, sign.flips) == (BitRole.SIGN, (7,), 2368)
    assert (rest.role, rest.flips, rest.drawn) == (BitRole.MAGNITUDE, 7 * 2368, 7 * DRAWN)
    rise = flips.rise
    assert sign.broken == int((rise[:, 7] > BROKEN_RISE).sum())
    assert sign.broken / sign.flips > 10 * rest.broken / rest.flips  # the sign bit, and hardly else
    assert (sign.nan, rest.nan) == (0, 0)  # no NaN in integers


@pytest.mark.slow
def test_one_bit_of_sixteen_carries_what_matters() -> None:
    flips = flip_weights("dense-bf16", 5, 10, 2)
    groups = {group.role: group for group in bit_groups(flips)}
    top = groups[BitRole.TOP_EXPONENT]
    assert top.broken > 0.8 * top.flips
    assert top.drawn_broken >= 32
    for role in (BitRole.SIGN, BitRole.EXPONENT, BitRole.FRACTION):
        assert groups[role].broken < 0.06 * groups[role].flips
    assert groups[BitRole.FRACTION].broken < 10
    protected = flip_weights("dense-bf16+parity", 5, 10, 2)
    assert not protected.broken[:, 14].any()
    clipped = flip_weights("dense-bf16+clip", 5, 10, 2)
    assert not np.isnan(clipped.rise).any()
    assert clipped.broken[:, 14].sum() < flips.broken[:, 14].sum()


def test_roles_of_bits_are_those_of_the_formats() -> None:
    counts = {}
    for name in ("dense-int8", "dense-bf16", "dense-fp16", "dense-fp32"):
        model = model_of(name)
        assert model is not None
        roles = [model.format.role(bit) for bit in range(model.format.bits)]
        counts[name] = [roles.count(role) for role in BitRole]
    assert counts == {
        "dense-int8": [1, 0, 0, 0, 7],
        "dense-bf16": [1, 1, 7, 7, 0],
        "dense-fp16": [1, 1, 4, 10, 0],
        "dense-fp32": [1, 1, 7, 23, 0],
    }
    assert NumberFormat("fp32", 32, 8).role(30) is BitRole.TOP_EXPONENT
    assert model_of("sha256") is None


def test_a_workload_without_known_weights_is_refused() -> None:
    with pytest.raises(UsageError, match="sha256 is no model whose weights are known"):
        flip_weights("sha256", 1, 2, 1)


def test_each_input_meets_the_same_state() -> None:
    bench, rig = InputBench("sha256"), Rig("sha256", 7)
    begin, inputs, outputs = rig.state.tobytes(), b"", b""
    for frame in range(4):
        rig.state[:] = np.frombuffer(begin, np.uint8)
        rig.sense(frame)
        inputs += rig.input.tobytes()
        outputs += rig.step()
    assert bench.outputs(begin, inputs) == outputs


def test_hits_at_the_end_of_a_long_step_fit_into_one_request() -> None:
    """A state of kilobytes that the step does not read, such as parities of columns."""
    far = 1 << 31  # beyond the memory of any worker
    sites = [Site(1 << 40, Space.MEMORY, far + 300 * number) for number in range(AT_ONCE)]
    assert len(sites_request(sites, details=Detail.BITS)) < 1024

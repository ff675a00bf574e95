"""What a flipped bit does is predicted by models in Python, for any bit of any region at any tick,
and then really done in the C workload: the digests of output and state are the predicted ones."""

from __future__ import annotations

import random

import numpy as np
import pytest
import xxhash

from .digest_models import MODELS, Memory, predict
from .workload_rig import REGIONS, Rig

FRAMES = 5
FLIPS = {"matmul": 60, "sha256": 60, "crc32": 100, "qsort": 60, "aes128": 60}
MANY = 2500  # of each: more than 10,000 in all


def memory_of(rig: Rig) -> Memory:
    return Memory(*(bytearray(rig.region(name).tobytes()) for name in REGIONS))


def put(rig: Rig, memory: Memory) -> None:
    for name in REGIONS:
        rig.region(name)[:] = np.frombuffer(bytes(getattr(memory, name)), np.uint8)


def digest(data: bytes | bytearray) -> str:
    return xxhash.xxh64(bytes(data)).hexdigest()


@pytest.mark.parametrize(
    "flips", [None, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
@pytest.mark.parametrize("name", MODELS)
def test_the_digests_after_a_flip_are_the_predicted_ones(name: str, flips: int | None) -> None:
    rng = random.Random(f"{name} {flips}")
    rig, model = Rig(name, seed=11), MODELS[name]
    wanted = flips or FLIPS[name]
    differ = 0
    for frame in range(FRAMES):
        rig.sense(frame)
        before = memory_of(rig)
        golden = rig.step()
        after = memory_of(rig)
        for _ in range(wanted // FRAMES):
            region = rng.choice([r for r in REGIONS if len(rig.region(r))])
            byte = rng.randrange(len(rig.region(region)))
            tick, bit = rng.randint(0, rig.workload.ticks), rng.randrange(8)
            predicted = predict(model, before, tick, region, byte, bit)
            put(rig, before)
            output = rig.step_with_flip(tick, region, byte, bit)
            place = f"{region} byte {byte} bit {bit} at tick {tick} of frame {frame}"
            assert digest(output) == digest(predicted.output), place
            assert digest(rig.state.tobytes()) == digest(predicted.state), place
            differ += output != golden or rig.state.tobytes() != bytes(after.state)
        put(rig, after)
    assert 0.1 < differ / wanted < 0.95  # some of them matter, and some do not


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_ticks_of_its_workload(name: str) -> None:
    rig = Rig(name)
    rig.sense(0)
    assert len(list(MODELS[name](memory_of(rig)))) == rig.workload.ticks

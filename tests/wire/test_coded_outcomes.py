"""Coded answers of boards, which draw experiments or have them listed, against a model of
csrc/SPEC.md in exact numbers, which shares nothing with the code in C; and requests against the
bytes of the document."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.wire.campaign import EXPERIMENTS_MAX, Site, Space, sites_request
from hil.wire.draws import DRAWN_MAX, DrawPart, DrawSeries, DrawTarget
from hil.wire.outcomes import unpack_coded
from tests.wire.spec import EXAMPLES, c_pack

PAYLOADS = {e.name: c_pack(e.layout, e.fields) for e in EXAMPLES if e.layout != "none"}
MASKED, LATENT, SDC, FAILED = range(4)
BITS = {MASKED: (0,), SDC: (1, 0), LATENT: (1, 1, 0), FAILED: (1, 1, 1)}

EXAMPLE = [
    DrawTarget((7, 1), 64 * 8 * 2100, 0, 500, Space.MEMORY, 8 << 20, 64),
    DrawTarget((7, 2), 136 * 8 * 2100, 0, 500, Space.GPR, 0, 136),
]


@dataclass(frozen=True)
class Experiment:
    position: int
    target: int
    byte: int
    bit: int


def drawn(targets: Sequence[DrawTarget], parts: Sequence[DrawPart]) -> list[Experiment]:
    """What the document says is drawn, with NumPy's random numbers."""
    out: list[Experiment] = []
    for number, (target, part) in enumerate(zip(targets, parts, strict=True)):
        stream = np.random.Philox(key=np.array(target.key, np.uint64))
        words = stream.random_raw(part.part + part.left).tolist()
        for i in range(part.part, part.part + part.left):
            fault = target.faults * ((i << 64) + words[i]) // (target.parts << 64) - target.before
            moment, place = divmod(fault, 8 * target.length)
            out.append(Experiment(moment, number, place // 8, place % 8))
    return sorted(out, key=lambda e: (e.position, e.target, e.byte, e.bit))


class Model:
    """One bit's probability."""

    def __init__(self) -> None:
        self.one, self.count = 32768, 0

    def learn(self, bit: int) -> None:
        n = 2 * self.count + 3
        step = 2 * (65536 - self.one) // n if bit else -(2 * self.one // n)
        self.one = min(max(self.one + step, 32), 65504)
        self.count = min(self.count + 1, 30)


def coded(
    experiments: Sequence[Experiment], outcomes: Sequence[tuple[int, int]], *, listed: bool = False
) -> bytes:
    """The document's arithmetic code: `low` is as long as it gets."""
    low, width, times = 0, 2**32 - 1, 0
    models: dict[object, Model] = {}
    before: dict[int, int] = {}
    last = {SDC: "00000000", FAILED: "00000000"}

    def put(keys: Sequence[object], bit: int) -> None:
        nonlocal low, width, times
        of = [models.setdefault(key, Model()) for key in keys]
        part = width // 65536 * (sum(model.one for model in of) // len(of))
        low, width = (low, part) if bit else (low + part, width - part)
        for model in of:
            model.learn(bit)
        while width < 2**24:
            low, width, times = low * 256, width * 256, times + 1

    for e, (outcome, detail) in zip(experiments, outcomes, strict=False):
        slot = (e.byte + 257 * e.target) % 1024
        for i, bit in enumerate(BITS[outcome]):
            put([("outcome", e.target, before.get(slot), i)], bit)
        before[slot] = outcome
        if outcome in {SDC, FAILED}:
            text = f"{detail:08b}"
            for i, digit in enumerate(text):
                keys: list[object] = [("detail", e.target, outcome, text[:i])]
                if listed:
                    above = int(text[:i] or "0", 2) - int(last[outcome][:i] or "0", 2)
                    keys.append(("near", outcome, min(max(above, -2), 2), last[outcome][i:][:1], i))
                put(keys, int(digit))
            last[outcome] = text
    top = -(-low // 2**24)
    return top.to_bytes(times + 1, "big").rstrip(b"\0")


def answered(request: bytes, outcomes: Sequence[tuple[int, int]]) -> bytes:
    """The answer of a board to a request that has targets."""
    run, targets = ffi.new("hil_campaign_run_t *"), ffi.new("hil_draw_targets_t *")
    m, length = ffi.new("hil_campaign_draws_t *"), ffi.new("size_t *")
    out = ffi.new("uint8_t[]", 1024)
    assert lib.hil_campaign_draws_unpack(m, request, len(request)) == 0
    assert lib.sites_begin_drawn(run, targets, m) == 0
    for outcome, detail in outcomes:
        lib.sites_put(run, outcome, detail)
    packed = lib.hil_campaign_outcomes_pack(ffi.addressof(run, "outcomes"), out, 1024, length)
    assert packed == 0
    return bytes(ffi.buffer(out, length[0]))


def answered_listed(request: bytes, outcomes: Sequence[tuple[int, int]]) -> bytes:
    """The answer of a board to a request that lists sites."""
    run, m = ffi.new("hil_campaign_run_t *"), ffi.new("hil_campaign_sites_t *")
    out, length = ffi.new("uint8_t[]", 1024), ffi.new("size_t *")
    assert lib.hil_campaign_sites_unpack(m, request, len(request)) == 0
    run.sites = m[0]
    assert lib.sites_begin_coded(run) == 0
    for outcome, detail in outcomes:
        lib.sites_put(run, outcome, detail)
    packed = lib.hil_campaign_outcomes_pack(ffi.addressof(run, "outcomes"), out, 1024, length)
    assert packed == 0
    return bytes(ffi.buffer(out, length[0]))


def listed_in(sites: Sequence[Site]) -> list[Experiment]:
    return [
        Experiment(site.position, int(site.space), site.byte + byte, bit)
        for site in sites
        for byte in range(site.bytes)
        for bit in range(8)
        if site.mask >> bit & 1
    ]


def test_requests_are_those_of_the_document() -> None:
    series = DrawSeries(EXAMPLE)
    parts = [DrawPart(0, 3), DrawPart(0, 2)]
    assert series.request(parts) == PAYLOADS["campaign_draw_request"]
    continued = series.request([DrawPart(3, 2), DrawPart(2, 3)])
    assert continued == PAYLOADS["campaign_draw_continued_request"]
    assert DrawSeries(EXAMPLE).request(parts) == PAYLOADS["campaign_draw_request"]


def test_the_outcomes_of_the_document_are_those_that_it_names() -> None:
    parts = [DrawPart(0, 3), DrawPart(0, 2)]
    where = [(e.position, e.target, e.byte) for e in drawn(EXAMPLE, parts)]
    assert where == [(1, 1, 73), (3, 0, 45), (5, 0, 47), (5, 1, 119), (10, 0, 36)]
    outcomes = DrawSeries(EXAMPLE).outcomes(parts, PAYLOADS["campaign_draw_answer"])
    assert (outcomes.position, outcomes.codes, outcomes.details) == (
        10,
        bytes([MASKED, MASKED, SDC, LATENT, FAILED]),
        bytes([17, 11]),
    )


@pytest.mark.parametrize("seed", range(12))
def test_answers_are_coded_as_the_document_says(seed: int) -> None:
    """Also where carries run through many bytes, and where an answer ends early."""
    rng = random.Random(seed)
    count = rng.choice([1, 3, 40, 700, DRAWN_MAX])
    weights = rng.choice([[1, 0, 0, 0], [99, 0, 1, 0], [80, 5, 12, 3], [1, 1, 1, 1]])
    targets = [
        DrawTarget((seed, i), 8 * 40 * 5000, 0, 4000, Space.MEMORY, 64 * i, 40)
        for i in range(rng.randrange(1, 5))
    ]
    left = [count // len(targets)] * len(targets)
    left[0] += count - sum(left)
    parts = [DrawPart(rng.randrange(1000), n) for n in left]
    experiments = drawn(targets, parts)
    outcomes = [
        (rng.choices(range(4), weights)[0], rng.choice([0, 255, rng.randrange(256)]))
        for _ in experiments
    ]
    request = DrawSeries(targets).request(parts)
    answer = answered(request, outcomes)
    read = DrawSeries(targets).outcomes(parts, answer)
    assert answer[20:] == coded(experiments, outcomes[: len(read.codes)])
    assert list(read.codes) == [outcome for outcome, _ in outcomes][: len(read.codes)]
    details = [d for outcome, d in outcomes[: len(read.codes)] if outcome in {SDC, FAILED}]
    assert list(read.details) == details
    if len(read.codes) < count:
        assert len(answer) > 980, "an answer ends early where it is full"


def test_an_answer_that_is_cut_off_or_of_more_experiments_is_refused() -> None:
    parts = [DrawPart(0, 3), DrawPart(0, 2)]
    answer = bytearray(PAYLOADS["campaign_draw_answer"])
    answer[16] = 6  # of 5
    with pytest.raises(KernelError, match="campaign_outcomes"):
        DrawSeries(EXAMPLE).outcomes(parts, bytes(answer))
    answer[16] = 0
    with pytest.raises(KernelError, match="campaign_outcomes"):
        DrawSeries(EXAMPLE).outcomes(parts, bytes(answer))
    with pytest.raises(KernelError, match="campaign_outcomes"):
        DrawSeries(EXAMPLE).outcomes(parts, PAYLOADS["campaign_draw_answer"][:-1])


def test_more_experiments_than_one_request_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        DrawSeries(EXAMPLE).request([DrawPart(0, 2000), DrawPart(0, 49)])
    with pytest.raises(ValueError, match="too many"):
        DrawSeries(EXAMPLE * 5).request([DrawPart(0, 1)] * 10)


# --- listed experiments -----------------------------------------------------------------------

LISTED = [Site(300, Space.MEMORY, (8 << 20) + 16, 0x0F, 2), Site(302, Space.GPR, 7, 0x80)]
CAME_TO = [
    (MASKED, 0), (MASKED, 0), (SDC, 1), (SDC, 17), (LATENT, 0), (LATENT, 0), (MASKED, 0),
    (MASKED, 0), (FAILED, 11),
]  # fmt: skip


def test_listed_outcomes_of_the_document_are_those_that_it_names() -> None:
    request, answer = PAYLOADS["campaign_coded_request"], PAYLOADS["campaign_coded_answer"]
    assert sites_request(LISTED, severity=True) == request
    outcomes = unpack_coded(request, answer)
    assert list(outcomes.codes) == [code for code, _ in CAME_TO]
    assert outcomes.details == bytes([1, 17, 11])
    assert answer[20:] == coded(listed_in(LISTED), CAME_TO, listed=True)


@pytest.mark.parametrize("seed", range(12))
def test_answers_to_listed_experiments_are_coded_as_the_document_says(seed: int) -> None:
    """Also with details that creep up and down, and where an answer ends early."""
    rng = random.Random(seed)
    weights = rng.choice([[1, 0, 0, 0], [9, 1, 80, 9], [0, 0, 1, 0], [1, 1, 1, 1]])
    step, full = rng.choice([0, 1, 3, 40, 255]), seed % 3 == 0
    sites = [
        Site(9 * i, Space(rng.randrange(4)), rng.randrange(2**40), 0xFF, 9 if full else 2)
        for i in range(10)
    ]
    experiments = listed_in(sites)
    assert (len(experiments) == EXPERIMENTS_MAX) == full
    details = [rng.randrange(256)]
    for _ in experiments:
        details.append((details[-1] + rng.randrange(-step, step + 1)) % 256)
    outcomes = [(rng.choices(range(4), weights)[0], detail) for detail in details[1:]]
    request = sites_request(sites, severity=True)
    answer = answered_listed(request, outcomes)
    read = unpack_coded(request, answer)
    there = outcomes[: len(read.codes)]
    assert answer[20:] == coded(experiments, there, listed=True)
    assert list(read.codes) == [outcome for outcome, _ in there]
    assert list(read.details) == [d for outcome, d in there if outcome in {SDC, FAILED}]
    assert len(there) == len(experiments) or len(answer) > 980


def test_an_answer_to_listed_experiments_that_is_not_theirs_is_refused() -> None:
    request, answer = PAYLOADS["campaign_coded_request"], PAYLOADS["campaign_coded_answer"]
    position, path, _, length = struct.unpack_from("<QQHH", answer)
    for count, content in [(0, answer[20:]), (10, answer[20:]), (9, answer[20:] + b"\1\1\1")]:
        head = struct.pack("<QQHH", position, path, count, len(content))
        with pytest.raises(KernelError, match="campaign_outcomes"):
            unpack_coded(request, head + content)
    assert length == len(answer) - 20


def test_a_coded_answer_has_no_other_details_than_bits() -> None:
    request = sites_request(LISTED)
    with pytest.raises(KernelError, match="sites_begin_coded"):
        unpack_coded(request, PAYLOADS["campaign_coded_answer"])

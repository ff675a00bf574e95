"""What hosts make of the messages of a campaign, against the worked bytes of csrc/SPEC.md."""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest

from hil.campaign.exact import effects_of
from hil.campaign.trace import unpack_trace
from hil.errors import KernelError
from hil.wire import campaign
from hil.wire.campaign import EXPERIMENTS_MAX, Detail, Site, Space, StrikeStop
from hil.wire.outcomes import Differs, Ending, Fate, Outcome, endings, unpack_outcomes
from tests.wire.spec import EXAMPLES, c_pack

PAYLOADS = {e.name: c_pack(e.layout, e.fields) for e in EXAMPLES if e.layout != "none"}


def test_the_sites_of_the_document_are_encoded_as_it_says() -> None:
    sites = [
        Site(300, Space.MEMORY, (8 << 20) + 16, mask=0x0F, bytes=2),
        Site(302, Space.GPR, 7, mask=0x80),
    ]
    assert campaign.sites_request(sites, severity=True) == PAYLOADS["campaign_run_request"]


def test_the_outcomes_of_the_document_are_those_that_it_names() -> None:
    outcomes = unpack_outcomes(PAYLOADS["campaign_run_answer"])
    assert outcomes.codes == bytes([0, 0, 2, 2, 1, 1, 0, 0, 3])
    assert outcomes.details == bytes([1, 17, 11])
    assert outcomes.position == 302


def test_fewer_outcomes_than_an_answer_says_are_refused() -> None:
    answer = PAYLOADS["campaign_run_answer"]
    fields = struct.Struct("<QQHH")
    position, path, _, length = fields.unpack_from(answer)
    for count in (length * 8 + 1, EXPERIMENTS_MAX):
        more = fields.pack(position, path, count, length) + answer[fields.size :]
        with pytest.raises(KernelError, match="cut off"):
            unpack_outcomes(more)


def test_the_trace_of_the_document_is_unpacked_as_it_says() -> None:
    part = campaign.trace(PAYLOADS["campaign_trace_answer"])
    trace = unpack_trace(part.packed, 33)
    assert trace.pc.tolist() == [0x411194, 0x4003F0, 0x4003F4]
    assert trace.registers[:, 1].tolist() == [5, 5, 5]
    assert trace.registers[:, 31].tolist() == [0x1002840000] * 3
    assert trace.registers[:, 0].tolist() == [0, 0, 2**64 - 1]


def test_requests_for_a_trace_and_code_are_those_of_the_document() -> None:
    assert campaign.position_request(0) == PAYLOADS["campaign_trace_request"]
    assert campaign.code_request(0x4003F0, 4) == PAYLOADS["campaign_code_request"]
    part = campaign.code(PAYLOADS["campaign_code_answer"])
    assert (part.address, part.content) == (0x4003F0, bytes.fromhex("00008092"))


def test_a_strike_and_its_answer_are_those_of_the_document() -> None:
    site = Site(302, Space.GPR, 7, mask=0x80)
    assert campaign.strike_request(site, StrikeStop.AT_END) == PAYLOADS["campaign_strike_request"]
    struck = campaign.struck(PAYLOADS["campaign_strike_answer"])
    assert (struck.pc, struck.fault, struck.pid, struck.signal) == (0x4003F8, 0x8000001000, 811, 11)


def test_more_sites_than_fit_are_refused() -> None:
    campaign.sites_request([Site(0, Space.GPR, 0, bytes=90)], severity=False)
    with pytest.raises(ValueError, match="too many"):
        campaign.sites_request([Site(0, Space.GPR, 0, bytes=91)], severity=False)


ALL = Detail.BITS | Detail.DIFFERS | Detail.OUTPUT | Detail.FATE


def test_the_details_of_the_document_are_those_that_it_names() -> None:
    site = Site(0, Space.MEMORY, 8 << 20, mask=0x18)
    assert campaign.sites_request([site], details=ALL) == PAYLOADS["campaign_details_request"]
    outcomes = unpack_outcomes(PAYLOADS["campaign_details_answer"])
    wrong = bytes([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    both = Differs.OUTPUT | Differs.STATE
    assert endings(outcomes, ALL, 10) == [
        Ending(Outcome.LATENT, differs=Differs.STATE, fate=Fate.HEALED, fate_step=2),
        Ending(
            Outcome.SDC, bits=2, differs=both, output=wrong, fate=Fate.CRASH, fate_step=1
        ),
    ]  # fmt: skip
    for cut in range(len(outcomes.details)):
        with pytest.raises(KernelError, match="cut off"):
            endings(replace(outcomes, details=outcomes.details[:cut]), ALL, 10)
    with pytest.raises(KernelError, match="without an outcome"):
        endings(replace(outcomes, details=outcomes.details + b"x"), ALL, 10)


def test_the_inputs_of_further_steps_are_sent_in_parts() -> None:
    inputs = [bytes.fromhex("10000000ff7f0080"), bytes.fromhex("11000000ff7f0080")]
    (request,) = campaign.follow_requests(inputs, restored=False)
    assert request == PAYLOADS["campaign_follow_request"]
    many = [bytes([i]) * 300 for i in range(10)]
    parts = campaign.follow_requests(many, restored=True)
    assert [(part[0], part[1], len(part)) for part in parts] == [
        (0, 1, 904), (3, 1, 904), (6, 1, 904), (9, 1, 304),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="too many"):
        campaign.follow_requests([b"x"] * 65, restored=False)


def test_what_is_left_of_sites_is_every_experiment_that_was_not_done() -> None:
    rng = random.Random(3)

    def experiments(sites: list[Site]) -> list[tuple[int, int, int]]:
        return [
            (site.position, site.byte + byte, 1 << bit)
            for site in sites
            for byte in range(site.bytes)
            for bit in range(8)
            if site.mask >> bit & 1
        ]

    for _ in range(300):
        sites = [
            Site(i, Space.GPR, rng.randrange(99), rng.randrange(1, 256), rng.randrange(1, 5))
            for i in range(rng.randrange(1, 5))
        ]
        every = experiments(sites)
        done = rng.randrange(len(every) + 1)
        assert experiments(campaign.remaining_sites(sites, done)) == every[done:]


def test_details_that_are_too_few_or_too_many_are_refused() -> None:
    outcomes = unpack_outcomes(PAYLOADS["campaign_run_answer"])
    assert len(effects_of(outcomes)[0]) == 9
    for details in (outcomes.details[:-1], outcomes.details + b"x"):
        with pytest.raises(KernelError, match="details"):
            effects_of(replace(outcomes, details=details))

"""What hosts make of the messages of a campaign, against the worked bytes of csrc/SPEC.md."""

from __future__ import annotations

import pytest

from hil.campaign.trace import unpack_trace
from hil.wire import campaign
from hil.wire.campaign import Site, Space
from tests.wire.spec import EXAMPLES, c_pack

PAYLOADS = {e.name: c_pack(e.layout, e.fields) for e in EXAMPLES if e.layout != "none"}


def test_the_sites_of_the_document_are_encoded_as_it_says() -> None:
    sites = [
        Site(300, Space.MEMORY, (8 << 20) + 16, mask=0x0F, bytes=2),
        Site(302, Space.GPR, 7, mask=0x80),
    ]
    assert campaign.sites_request(sites, severity=True) == PAYLOADS["campaign_run_request"]


def test_the_outcomes_of_the_document_are_those_that_it_names() -> None:
    outcomes = campaign.outcomes(PAYLOADS["campaign_run_answer"])
    assert outcomes.codes == bytes([0, 0, 2, 2, 1, 1, 0, 0, 3])
    assert outcomes.details == bytes([1, 17, 11])
    assert outcomes.position == 302


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


def test_more_sites_than_fit_are_refused() -> None:
    campaign.sites_request([Site(0, Space.GPR, 0, bytes=98)], severity=False)
    with pytest.raises(ValueError, match="too many"):
        campaign.sites_request([Site(0, Space.GPR, 0, bytes=99)], severity=False)

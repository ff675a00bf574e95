"""The outcomes of a campaign's experiments: values, and their bytes (csrc/wire/sites.c).

Thread-safe, as `hil.wire.decoding`."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.kernel import check, unpack
from hil.wire.campaign import Detail

__all__ = [
    "FAILURE_COUNT",
    "Differs",
    "Ending",
    "Fate",
    "Outcome",
    "Outcomes",
    "endings",
    "malformed",
    "read_coded",
    "unpack_coded",
    "unpack_outcomes",
]

FAILURE_COUNT: Final[int] = lib.FAILURE_COUNT
"""The failure of a step that ended with the right output and a wrong number of ticks."""


class Outcome(enum.IntEnum):
    """The outcome of an experiment (hil_outcome_t)."""

    MASKED = lib.OUTCOME_MASKED
    LATENT = lib.OUTCOME_LATENT
    SDC = lib.OUTCOME_SDC
    FAILED = lib.OUTCOME_FAILED


class Differs(enum.IntFlag):
    """The differences of the end of a step from that without the fault (hil_differs_t)."""

    NOTHING = 0
    OUTPUT = lib.DIFFERS_OUTPUT
    STATE = lib.DIFFERS_STATE
    REST = lib.DIFFERS_REST
    TICKS = lib.DIFFERS_TICKS
    UNSEEN = lib.DIFFERS_UNSEEN


class Fate(enum.IntEnum):
    """The fate of a step that ended otherwise, in the steps that follow (hil_fate_t)."""

    LATENT = lib.FATE_LATENT
    HEALED = lib.FATE_HEALED
    SDC = lib.FATE_SDC
    CRASH = lib.FATE_CRASH
    HANG = lib.FATE_HANG
    DETECTED = lib.FATE_DETECTED
    STATE = lib.FATE_STATE


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of a request, in its order: `codes` are hil_outcome_t, `details` has a byte for
    each failure, and what else was asked for, in the order of the experiments (`endings` unpacks
    it).
    `path` is the digest of the program counters up to `position`."""

    position: int
    path: int
    codes: bytes
    details: bytes


class Ending(NamedTuple):
    """The end of one experiment. `failure`: the signal, 0 for a hang, or `FAILURE_COUNT`, of one
    that failed. What was not asked for is zero or empty: `bits`, how many bits of the output are
    wrong (255: or more); `differs`; `output`: the exclusive-or of the output and the right one;
    `fate`, and `fate_step`, the step that follows in which it shows (0: none was followed)."""

    outcome: Outcome
    failure: int = 0
    bits: int = 0
    differs: Differs = Differs.NOTHING
    output: bytes = b""
    fate: Fate = Fate.LATENT
    fate_step: int = 0


def unpack_outcomes(payload: bytes) -> Outcomes:
    """Decode the answer to CAMPAIGN_RUN. Raises: KernelError if it has fewer outcomes than it
    says."""
    m = unpack("campaign_outcomes", payload)
    packed = ffi.buffer(m.bytes, m.len)[:]
    bits = f"{int.from_bytes(packed, 'little'):0{8 * m.len}b}"[::-1]
    found = [match for match, _ in zip(_CODE.finditer(bits), range(m.count), strict=False)]
    if len(found) != m.count:
        raise malformed("the outcomes are cut off")
    head = (found[-1].end() + 7) // 8 if found else 0
    codes = bytes(_OUTCOMES[match.group()] for match in found)
    return Outcomes(m.position, m.path, codes, packed[head:][::-1])


def malformed(why: str) -> KernelError:
    """Return the error of an answer that is not one, and why."""
    return KernelError(int(lib.HIL_ERR_PAYLOAD), f"campaign_outcomes: {why}")


def unpack_coded(request: bytes, answer: bytes) -> Outcomes:
    """Decode the answer to CAMPAIGN_CODED with these sites: the outcomes of all its experiments, or
    of as many as fitted, with the number of wrong bits of each wrong output. Raises: KernelError if
    it is not one."""
    run = ffi.new("hil_campaign_run_t *")
    run.sites = unpack("campaign_sites", request)[0]
    check(lib.sites_begin_coded(run), "sites_begin_coded")
    return read_coded(run, answer)


def read_coded(run: ffi.CData, answer: bytes) -> Outcomes:
    """Decode the coded answer to the request that `run` (hil_campaign_run_t) has begun. Raises:
    KernelError if it is not one."""
    m = unpack("campaign_outcomes", answer)
    codes, details = ffi.new("uint8_t[]", m.count), ffi.new("uint8_t[]", m.count)
    length = ffi.new("size_t *")
    check(lib.sites_read_coded(run, m, codes, details, length), "campaign_outcomes")
    return Outcomes(
        m.position, m.path, ffi.buffer(codes, m.count)[:], ffi.buffer(details, length[0])[:]
    )


_OUTCOMES: Final = {"0": 0, "10": 2, "110": 1, "111": 3}
"""hil_outcome_t by the bits that stand for it, as csrc/wire/sites.c packs them."""


_CODE: Final = re.compile("|".join(_OUTCOMES))


def endings(outcomes: Outcomes, details: Detail, output_len: int) -> list[Ending]:
    """Unpack outcomes that were asked for with `details`, of a workload whose output has
    `output_len` bytes. Raises: KernelError if the details are not theirs."""
    reader = _DetailReader(outcomes.details, details, output_len)
    out = [reader.read(Outcome(code)) for code in outcomes.codes]
    if not reader.is_at_end:
        raise malformed("details without an outcome")
    return out


class _DetailReader:
    """Reads details in their order."""

    def __init__(self, packed: bytes, wanted: Detail, output_len: int) -> None:
        self._packed = packed
        self._wanted = wanted
        self._output_len = output_len
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._packed)

    def read(self, outcome: Outcome) -> Ending:
        if outcome is Outcome.MASKED:
            return _MASKED
        wanted, sdc = self._wanted, outcome is Outcome.SDC
        failed = outcome is Outcome.FAILED
        failure = self._byte() if failed else 0
        ended = not failed or failure == FAILURE_COUNT
        return Ending(
            outcome,
            failure,
            self._byte() if sdc and wanted & Detail.BITS else 0,
            Differs(self._byte()) if ended and wanted & Detail.DIFFERS else Differs.NOTHING,
            self._output() if sdc and wanted & Detail.OUTPUT else b"",
            *((Fate(self._byte()), self._byte()) if not failed and wanted & Detail.FATE else ()),
        )

    def _byte(self) -> int:
        if self._at >= len(self._packed):
            raise malformed("the details are cut off")
        self._at += 1
        return self._packed[self._at - 1]

    def _output(self) -> bytes:
        mask = [self._byte() for _ in range((self._output_len + 7) // 8)]
        return bytes(
            self._byte() if mask[i // 8] >> i % 8 & 1 else 0 for i in range(self._output_len)
        )


_MASKED: Final = Ending(Outcome.MASKED)

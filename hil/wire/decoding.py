"""Decoding: payloads of an agent's answers into the values of `hil.wire.messages`.

Every function takes one payload and raises KernelError if it is not exactly one such message.
Thread-safe: each call decodes into a C struct of its own, because cffi releases the interpreter's
lock while C runs."""

from __future__ import annotations

from typing import Any

from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.kernel import Workload, unpack
from hil.wire.messages import (
    LIMITS,
    MEANS,
    NO_FRAME,
    READINGS,
    TARGETS,
    Activation,
    ActivationReport,
    AgentImage,
    Health,
    Hello,
    Limited,
    ProgramEnd,
    ProgramExit,
    Rail,
    Reading,
    Refusal,
    Reply,
    Report,
    Sensors,
    Sync,
    Unwatched,
    UpsetState,
)


def _text(c: Any) -> str:
    return str(ffi.string(c).decode("utf-8", "replace"))


_TARGET_BITS = sorted(TARGETS.items(), key=lambda item: item[1])


def hello(payload: bytes) -> Hello:
    """Decode a HELLO answer. Raises: KernelError if the bytes are not one."""
    m = unpack("hello", payload)
    targets = frozenset(name for name, bit in _TARGET_BITS if m.targets >> bit & 1)
    return Hello(
        m.wire_version,
        m.pointer_bits,
        m.cores,
        m.memory_mib,
        m.boot_id,
        m.uptime_us,
        targets,
        m.gpr_count,
        m.vector_bytes,
        _text(m.port),
        _text(m.arch),
        _text(m.version),
        _text(m.board),
        _text(m.serial),
    )


def reply(payload: bytes, *, only_digest: bool = False) -> Reply:
    """Decode the answer to a STEP; the output digest is computed from the bytes that arrived.
    `only_digest`: the workload's output is too long for the answer, which has its digest alone.
    Raises: KernelError if they are not an answer to a STEP."""
    m = ffi.new("hil_reply_t *")  # one per call: other threads may decode at the same time
    if lib.hil_reply_unpack(m, payload, len(payload)) < 0:
        raise KernelError(lib.HIL_ERR_PAYLOAD, "reply_unpack")
    # The vote is on the bytes that would leave the system, not on the digest that the agent sent.
    as_sent = m.status or (only_digest and m.len == 0)
    received = m.output_digest if as_sent else lib.hil_digest64(m.output, m.len, 0)
    return Reply(
        m.frame,
        m.status,
        m.signal,
        m.pending,
        m.ticks,
        m.cpu_us,
        m.step_us,
        received,
        m.state_digest,
        ffi.buffer(m.output, m.len)[:],
        m.output_digest,
    )


_STATES = {
    lib.UPSET_ARMED: UpsetState.ARMED,
    lib.UPSET_INJECTED: UpsetState.INJECTED,
    lib.UPSET_MISSED: UpsetState.MISSED,
    lib.UPSET_FAILED: UpsetState.FAILED,
}


def report(payload: bytes) -> Report:
    """Decode the report on an armed upset."""
    m = unpack("report", payload)
    return Report(
        m.id,
        _STATES[m.state],
        bool(m.verified),
        bool(m.changed),
        bool(m.persisted),
        m.detail,
        m.frame,
        m.tick,
        m.steps,
        m.at_us,
        None if m.pc_offset == NO_FRAME else m.pc_offset,
        m.bit,
        m.space,
        ffi.buffer(m.before, m.len)[:],
        ffi.buffer(m.after, m.len)[:],
    )


_ACTIVATIONS = {
    lib.FIRST_UNKNOWN: Activation.UNKNOWN,
    lib.FIRST_ACTIVATED: Activation.ACTIVATED,
    lib.FIRST_OVERWRITTEN: Activation.OVERWRITTEN,
    lib.FIRST_NONE: Activation.NOT_ACCESSED,
}
_UNWATCHED = {
    lib.UNWATCHED_NOT: Unwatched.NOT,
    lib.UNWATCHED_TARGET: Unwatched.TARGET,
    lib.UNWATCHED_STUCK: Unwatched.STUCK,
    lib.UNWATCHED_REFUSED: Unwatched.REFUSED,
    lib.UNWATCHED_FULL: Unwatched.FULL,
    lib.UNWATCHED_INSTRUCTION: Unwatched.INSTRUCTION,
}


def activation(payload: bytes) -> ActivationReport:
    """Decode the report on the first access to what an upset has changed."""
    m = unpack("activation", payload)
    return ActivationReport(m.id, _ACTIVATIONS[m.first], _UNWATCHED[m.reason])


def _known(value: int, unknown: int) -> int | None:
    return None if value == unknown else value


def health(payload: bytes) -> Health:
    """Decode a board's health."""
    m = unpack("health", payload)
    top = 2**32 - 1
    rails = tuple(Rail(_text(r.name), r.mv, r.ma) for r in m.rail[0 : m.rails])
    return Health(
        m.uptime_us,
        _known(m.cpu_temp_mc, -(2**31)),
        _known(m.clock_khz, top),
        _known(m.throttled, top),
        _known(m.rss_kib, top),
        _known(m.free_mib, top),
        m.steps,
        m.crashes,
        m.hangs,
        m.restarts,
        m.corrected,
        m.uncorrected,
        m.rx_bytes,
        m.rx_frames,
        m.rx_errors,
        m.tx_bytes,
        m.tx_frames,
        m.duplicates,
        rails,
    )


def image(payload: bytes) -> AgentImage:
    """Decode what an agent runs from."""
    m = unpack("image", payload)
    return AgentImage(bytes(m.sha256).hex(), m.known == lib.IMAGE_MEASURED)


def sensors(payload: bytes) -> Sensors:
    """Decode a board's power mode and sensor readings."""
    m = unpack("sensors", payload)
    readings = m.reading[0 : m.readings]
    return Sensors(
        _text(m.mode),
        tuple(Reading(READINGS[r.kind], _text(r.name), r.value) for r in readings),
    )


_ENDS = {
    lib.PROGRAM_NONE: ProgramExit.NONE,
    lib.PROGRAM_EXITED: ProgramExit.EXITED,
    lib.PROGRAM_SIGNALED: ProgramExit.SIGNALED,
    lib.PROGRAM_VIOLATED: ProgramExit.VIOLATED,
    lib.PROGRAM_SILENT: ProgramExit.SILENT,
}


def program(payload: bytes) -> ProgramEnd:
    """Decode how the last program of a board ended."""
    m = unpack("program", payload)
    stderr = ffi.buffer(m.bytes, m.len)[:]
    return ProgramEnd(m.init_ms, m.ends, _ENDS[m.how], m.code, m.written, m.kept, m.offset, stderr)


def limited(payload: bytes) -> Limited:
    """Decode which limits hold on a board."""
    m = unpack("limited", payload)
    return Limited(
        m.duty_permille,
        m.cores or None,
        bool(m.suspend),
        m.clock_khz or None,
        _text(m.mode),
        frozenset(name for name, bit in LIMITS.items() if m.refused & bit),
        frozenset(name for name, bit in MEANS.items() if m.means & bit),
        m.detail,
    )


def baud(payload: bytes) -> int:
    """Decode the line rate [bit/s] that an agent agreed to."""
    return int(unpack("baud", payload).baud)


def refusal(payload: bytes) -> Refusal:
    """Decode an ERROR answer."""
    m = unpack("refusal", payload)
    return Refusal(m.request, m.status, m.detail)


def sync(payload: bytes) -> Sync:
    """Decode a frame number and a state digest."""
    m = unpack("sync", payload)
    return Sync(m.frame, m.state_digest)


def done_value(payload: bytes) -> int:
    """Decode the value of a DONE answer."""
    return int(unpack("done", payload).value)


def state_digest_of_loaded(payload: bytes) -> int:
    """Decode the digest of the initial state that LOAD put on a node."""
    return int(unpack("loaded", payload).state_digest)


def workload_of_loaded(name: str, payload: bytes) -> Workload:
    """Decode the sizes of the workload `name` that LOAD put on a node."""
    m = unpack("loaded", payload)
    sizes = (m.state_len, m.input_len, m.output_len, m.scratch_len, m.ticks, m.text_len)
    return Workload(name, *sizes)


def regions(payload: bytes) -> tuple[int, bytes]:
    """Decode regions that a program has named: how many there are in all, and the declarations in
    this answer."""
    m = unpack("regions", payload)
    return m.total, ffi.buffer(m.bytes, m.len)[:]


def span_digests(payload: bytes) -> list[int]:
    """Decode the digests of spans of a region, in their order."""
    m = unpack("spans", payload)
    return [m.digests[i] for i in range(m.count)]


def data(payload: bytes) -> tuple[int, bytes]:
    """Decode the offset and the bytes of a DATA answer."""
    m = unpack("data", payload)
    return m.offset, ffi.buffer(m.bytes, m.len)[:]

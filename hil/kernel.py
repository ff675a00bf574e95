"""The C kernel, typed: digests, votes, random numbers, the golden run, frames and messages.

Other modules touch the cffi extension themselves only where they hand over whole C structs or
buffers (the voter, the messages, in-process and emulated boards, the sizes of upset targets, the
plant's heat and power steps, self-tests and measurements), or read constants of C. Everything here
computes; nothing waits, opens or records. C status codes become exceptions in `check()`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from hil._kernel import ffi, lib
from hil.errors import KernelError

__all__ = [
    "CHUNK",
    "ELEMENTS",
    "FANOUT",
    "PAYLOAD_MAX",
    "VERSION",
    "WIRE_VERSION",
    "Decoder",
    "Frame",
    "Golden",
    "LinkCounters",
    "NamedRegion",
    "Outside",
    "Random",
    "Workload",
    "check",
    "crc32c",
    "digest64",
    "encode",
    "may_be_frame",
    "pack",
    "spans",
    "unpack",
    "vote_bitwise",
    "workload",
    "workload_of",
    "workloads",
]

CHUNK: Final[int] = lib.DIGEST_CHUNK
FANOUT: Final[int] = lib.DIGEST_FANOUT
WIRE_VERSION: Final[int] = lib.WIRE_VERSION
VERSION: Final[str] = ffi.string(lib.agent_version()).decode()
"""That of this release, as compiled in."""
PAYLOAD_MAX: Final[int] = lib.WIRE_PAYLOAD_MAX
_FRAME_MAX: Final[int] = lib.WIRE_FRAME_MAX


def check(status: int, what: str) -> int:
    """Return a C status that is not negative. Raises: KernelError for a negative one."""
    if status < 0:
        raise KernelError(status, what)
    return status


def digest64(data: bytes | memoryview) -> int:
    """Return the XXH64 digest (seed 0) of `data`."""
    return int(lib.hil_digest64(ffi.from_buffer(data), len(data), 0))


def spans(data: bytes, span: int, first: int, count: int) -> list[int]:
    """Return the digests of `count` consecutive spans of `span` bytes from span number `first`
    on."""
    out = ffi.new("uint64_t[]", count)
    check(
        lib.digest_spans(ffi.from_buffer(data), len(data), span, first, count, out), "digest_spans"
    )
    return list(out)


@dataclass(frozen=True, slots=True)
class BitVote:
    """A bitwise majority, and who differs from it where.

    `diff_bits[i]` bits of input i differ, the first in byte `first_diff[i]` (or the length).
    """

    value: bytes
    dissent_mask: int
    first_diff: tuple[int, ...]
    diff_bits: tuple[int, ...]


def vote_bitwise(inputs: list[bytes]) -> BitVote:
    """Return the bitwise majority of 1, 3, 5 or 7 equally long buffers. Raises: KernelError for
    another number."""
    length = len(inputs[0])
    buffers = [ffi.from_buffer(b) for b in inputs]
    out = ffi.new("uint8_t[]", max(length, 1))
    where = ffi.new("hil_vote_bits_t *")
    pointers = ffi.new("uint8_t *[]", [ffi.cast("uint8_t *", b) for b in buffers])
    check(lib.vote_bitwise(pointers, len(inputs), out, length, where), "vote_bitwise")
    n = len(inputs)
    return BitVote(
        ffi.buffer(out, length)[:],
        int(where.dissent_mask),
        tuple(where.first_diff[i] for i in range(n)),
        tuple(where.diff_bits[i] for i in range(n)),
    )


class Random:
    """A Philox stream: raw bits only, so that results repeat everywhere and permanently."""

    def __init__(self, seed: int, stream: int) -> None:
        self._p = ffi.new("hil_philox_t *")
        lib.philox_init(self._p, seed & (2**64 - 1), stream & (2**64 - 1))

    def bits64(self) -> int:
        """Return the next 64 random bits."""
        return int(lib.philox_next(self._p))

    def below(self, bound: int) -> int:
        """Return a uniform integer in [0, bound); 0 if bound is 0."""
        return int(lib.philox_below(self._p, bound))


# --- workloads and the golden run ------------------------------------------------------------


ELEMENTS: Final = (
    *("bytes", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("fp16", "bf16", "fp32", "fp64", "bool"),
)
"""What the bytes of a named region are, in the order of hil_element_t."""


@dataclass(frozen=True, slots=True)
class NamedRegion:
    """Memory that a program has named: `length` bytes at `offset` of its state. `element`: of
    `ELEMENTS`; `use`: "weights", "activations" or "other"; `on_device`: it is the memory of a GPU;
    `shape`: outermost dimension first."""

    name: str
    element: str
    use: str
    on_device: bool
    shape: tuple[int, ...]
    offset: int
    length: int

    def place_of(self, bit: int) -> str:
        """Return where `bit` of the state lies in it, such as `conv1.weight[3, 0] bit 30`."""
        within = bit - 8 * self.offset
        count = math.prod(self.shape)
        per_element = 8 * self.length // count
        number, bit_of_element = divmod(within, per_element)
        index: list[int] = []
        for size in reversed(self.shape):
            number, at = divmod(number, size)
            index.insert(0, at)
        where = f"[{', '.join(map(str, index))}]" if index else ""
        return f"{self.name}{where} bit {bit_of_element}"


@dataclass(frozen=True, slots=True)
class Workload:
    """A registered workload; lengths in bytes, `ticks` progress ticks in a fault-free step.
    `regions`: those that a program has named, which are the end of its state."""

    name: str
    state_len: int
    input_len: int
    output_len: int
    scratch_len: int
    ticks: int
    text_len: int
    regions: tuple[NamedRegion, ...] = ()

    def region_at(self, offset: int) -> NamedRegion | None:
        """Return the named region that has this byte of the state; None if none has."""
        return next((r for r in self.regions if 0 <= offset - r.offset < r.length), None)


def workload_of(w: Any) -> Workload:
    """Return the workload that a `hil_workload_t *` describes."""
    return Workload(
        ffi.string(w.name).decode(),
        w.state_len,
        w.input_len,
        w.output_len,
        w.scratch_len,
        w.ticks,
        int(ffi.cast("uintptr_t", w.text_end)) - int(ffi.cast("uintptr_t", w.text_begin)),
    )


def workloads() -> list[Workload]:
    """Return all registered workloads."""
    out: list[Workload] = []
    while (w := lib.workload_at(len(out))) != ffi.NULL:
        out.append(workload_of(w))
    return out


def workload(name: str) -> Workload:
    """Return the workload of that name. Raises: KernelError if there is none."""
    w = lib.workload_find(name.encode())
    if w == ffi.NULL:
        raise KernelError(int(lib.HIL_ERR_ARG), f"workload {name!r}")
    return workload_of(w)


class Golden:
    """The fault-free run, computed here by the same kernel. `own`: the `hil_workload_t *` of a
    workload that is not in the kernel, which must outlive this.

    After `step()`: `input`, `output`, `output_digest`, `state_digest` belong to frame `next_frame
    - 1`."""

    def __init__(self, name: str, seed: int, own: Any = None) -> None:
        self.workload = workload(name) if own is None else workload_of(own)
        self.seed = seed
        w = lib.workload_find(name.encode()) if own is None else own
        size = int(lib.golden_memory(w))
        self._memory = ffi.new("uint8_t[]", size)
        self.handle = ffi.new("hil_golden_t *")
        check(lib.golden_init(self.handle, w, seed, self._memory, size), "golden_init")
        self._input_of = w.input

    def step(self) -> None:
        """Compute the next frame."""
        check(lib.golden_step(self.handle), "golden_step")

    def resume(self, next_frame: int, state: bytes) -> None:
        """Continue with frame `next_frame` from the state that a run had before it. Raises:
        KernelError if the state has another length than the workload's."""
        if len(state) != self.workload.state_len:
            raise KernelError(int(lib.HIL_ERR_ARG), f"state of {len(state)} bytes")
        ffi.memmove(self.handle.state, state, len(state))
        self.handle.next_frame = next_frame
        self.handle.state_digest = digest64(state)

    @property
    def next_frame(self) -> int:
        """Return the frame that the next `step` computes."""
        return int(self.handle.next_frame)

    @property
    def output_digest(self) -> int:
        """Return the digest of the output of the last step."""
        return int(self.handle.output_digest)

    @property
    def state_digest(self) -> int:
        """Return the digest of the state after the last step."""
        return int(self.handle.state_digest)

    @property
    def input(self) -> bytes:
        """Return the input of the last step."""
        return bytes(ffi.buffer(self.handle.input, self.workload.input_len))

    @property
    def output(self) -> bytes:
        """Return the output of the last step."""
        return bytes(ffi.buffer(self.handle.output, self.workload.output_len))

    @property
    def state(self) -> bytes:
        """Return the state after the last step."""
        return bytes(ffi.buffer(self.handle.state, self.workload.state_len))

    def of(self, node: int) -> Golden:
        """Return the golden run of what the node with this index computes: of the same for all,
        but where checkers compute less (`hil.rig.checked_golden`)."""
        del node
        return self

    def input_of(self, frame: int) -> bytes:
        """Return the input of any frame, as its sensors delivered it."""
        buffer = ffi.new("uint8_t[]", max(1, self.workload.input_len))
        self._input_of(buffer, self.seed, frame)
        return bytes(ffi.buffer(buffer, self.workload.input_len))


# --- wire ------------------------------------------------------------------------------------


class Frame(NamedTuple):
    """One decoded frame. (A tuple, as all that is made for every node in every frame: making a
    frozen dataclass takes five times as long.)"""

    type: int
    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """Counters of the bytes and frames that a decoder has read; whatever it drops is counted."""

    bytes: int
    frames: int
    crc_errors: int
    format_errors: int
    version_errors: int
    overruns: int

    @property
    def errors(self) -> int:
        """Return how many frames were dropped for their CRC, their format or their wire version."""
        return self.crc_errors + self.format_errors + self.version_errors + self.overruns


def encode(type_: int, seq: int, payload: bytes = b"", *, version: int = WIRE_VERSION) -> bytes:
    """Return the bytes of one frame, both delimiters included. Raises: KernelError if the payload
    is too long."""
    out = ffi.new("uint8_t[]", _FRAME_MAX)
    n = ffi.new("size_t *")
    status = lib.wire_encode_version(version, type_, seq, payload, len(payload), out, _FRAME_MAX, n)
    check(status, "wire_encode")
    return bytes(ffi.buffer(out, n[0]))


Outside: TypeAlias = Callable[[bytes, bool], None]
"""Gets bytes outside frames, and whether they are a frame that was damaged or cut off."""

_TEXT_CONTROLS: Final = b"\t\n\r\x1b"


def may_be_frame(run: bytes) -> bool:
    """Return whether bytes without a zero, behind one, may be the beginning of a frame: the second
    is then the wire version, which is not a character of a text."""
    return len(run) < 2 or (run[0] > 1 and run[1] < ord(" ") and run[1] not in _TEXT_CONTROLS)


class Decoder:
    """Streaming frame decoder: resynchronises after garbage, counts what it drops.

    `outside` gets the bytes that are in no frame, such as the console output of a board that boots:
    each once, in order, without the zeros that delimit frames. Text is passed on as it arrives,
    what may be a frame as soon as it is known not to be one."""

    def __init__(self, outside: Outside | None = None) -> None:
        self._d = ffi.new("hil_wire_decoder_t *")
        self._frame = ffi.new("hil_wire_frame_t *")
        self._used = ffi.new("size_t *")
        lib.wire_decoder_init(self._d)
        self._outside = outside
        self._run = b""  # the bytes since the last zero, while they may become a frame
        self._in_text = False

    def push(self, data: bytes) -> tuple[list[Frame], int]:
        """Decode what `data` completes: the good frames, and the status of the last bad one (or
        0)."""
        frames: list[Frame] = []
        bad = 0
        rest: Any = data  # mostly one frame: bytes as they are cost less than a pointer into them
        at, end = 0, len(data)
        frame, used = self._frame, self._used
        while at < end:
            status = lib.wire_decoder_push(self._d, rest, end - at, used, frame)
            begin, at = at, at + used[0]
            if at < end:
                rest = ffi.from_buffer(data) + at
            if status == 1:
                payload = ffi.buffer(frame.payload, frame.len)[:] if frame.len else b""
                frames.append(Frame(frame.type, frame.seq, payload))
            elif status < 0:
                bad = status
            if self._outside is not None and (status != 1 or self._run or self._in_text):
                self._sort_out(data[begin:at], status)
        return frames, bad

    def flush(self) -> None:
        """Pass on the beginning of a frame that will not be completed: its line is gone."""
        self._end_run()

    def _sort_out(self, piece: bytes, status: int) -> None:
        """Pass on what in `piece` is in no frame. It is what one call of the C decoder has taken,
        with this status: a frame, if there is one, ends it."""
        *ended, rest = piece.split(b"\0")
        for number, run in enumerate(ended, start=1):
            self._add(run)
            # A frame of another version is one, too.
            if number == len(ended) and status in (1, lib.HIL_ERR_VERSION):
                self._run = b""
            self._end_run()
        self._add(rest)
        if status == lib.HIL_ERR_EXHAUSTED and rest:  # too long for a frame
            self._pass_on_text()

    def _add(self, run: bytes) -> None:
        self._run += run
        if self._in_text or not may_be_frame(self._run):
            self._pass_on_text()

    def _pass_on_text(self) -> None:
        self._in_text = True
        run, self._run = self._run, b""
        if run and self._outside is not None:
            self._outside(run, False)

    def _end_run(self) -> None:
        run, self._run, self._in_text = self._run, b"", False
        if run and self._outside is not None:
            self._outside(run, len(run) > 1)

    @property
    def in_frame(self) -> bool:
        """Return whether the last bytes may be the beginning of a frame."""
        return bool(self._d.fill)

    @property
    def peer_version(self) -> int:
        """Return the wire version of the last frame whose CRC was right; 0 if there was none."""
        return int(self._d.peer_version)

    @property
    def counters(self) -> LinkCounters:
        """Return the counters of what was read so far."""
        c = self._d.counters
        return LinkCounters(
            c.bytes, c.frames, c.crc_errors, c.format_errors, c.version_errors, c.overruns
        )


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes."""
    return int(lib.hil_crc32c(0, data, len(data)))


def pack(kind: str, m: Any) -> bytes:
    """Return the bytes of a message struct; `kind` is its C name without hil_ and _t. Raises:
    KernelError if a value is out of range."""
    out = ffi.new("uint8_t[]", PAYLOAD_MAX)
    n = ffi.new("size_t *")
    name = f"hil_{kind}_pack"
    check(getattr(lib, name)(m, out, PAYLOAD_MAX, n), name)
    return bytes(ffi.buffer(out, n[0]))


def unpack(kind: str, payload: bytes) -> Any:
    """Return a new message struct from its bytes. Raises: KernelError if they are not exactly one
    such message."""
    m = ffi.new(f"hil_{kind}_t *")
    name = f"hil_{kind}_unpack"
    check(getattr(lib, name)(m, payload, len(payload)), name)
    return m

"""In-process boards: the same C agent inside this process, with a virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hil._kernel import ffi, lib
from hil.kernel import Golden, check
from hil.rig.backends.capabilities import Batchable
from hil.rig.own_workload import OwnWorkload
from hil.rig.transport import TransportLost

_OUT_CAP = 1 << 16


def _aligned(size: int) -> tuple[Any, Any]:
    """Allocate memory with 64-byte alignment; return (owner, pointer)."""
    owner = ffi.new("uint8_t[]", size + 64)
    address = int(ffi.cast("uintptr_t", owner))
    return owner, owner + (-address % 64)


class InprocBoard:
    """One virtual board, which is its own transport: its answer can be read when `write` returns.
    `own`: a workload that it has beside those of the kernel. Not thread-safe.

    Raises: SetupError if `own` is not safe to be computed with upsets in this process."""

    kind = "inproc"
    can_cycle = True
    can_return = False

    def __init__(self, name: str, index: int, own: OwnWorkload | None = None) -> None:
        self.name = name
        self.fd: int | None = None
        self._owner, memory = _aligned(lib.inproc_size())
        self.handle = ffi.cast("hil_inproc_t *", memory)
        check(lib.inproc_init(self.handle, index + 1), "inproc_init")
        if own is not None:
            own.check_total()
            lib.inproc_add_workload(self.handle, own.handle)
        self._own = own  # which must outlive the board
        self._rx = bytearray()
        self._out = ffi.new("uint8_t[]", _OUT_CAP)
        self._n = ffi.new("size_t *")
        self._powered = True

    @property
    def has_power(self) -> bool:
        """Return whether the board is on, and answers."""
        return self._powered

    def connect(self) -> InprocBoard:
        """Return the board as its own transport, with an empty receive buffer. Raises:
        TransportLost without power."""
        self._rx.clear()
        self.write(b"")
        return self

    def write(self, data: bytes) -> None:
        if not self._powered:
            raise TransportLost("no power")
        n = self._n
        chunk = data
        while True:
            lib.inproc_exchange(self.handle, chunk, len(chunk), self._out, _OUT_CAP, n)
            self._rx += ffi.buffer(self._out, n[0])
            if n[0] < _OUT_CAP:
                return
            chunk = b""

    def read(self) -> bytes:
        if not self._powered:
            raise TransportLost("no power")
        out = bytes(self._rx)
        self._rx.clear()
        return out

    def close(self) -> None:
        """Do nothing: the board exists as long as this object."""

    def condition(self, *, disconnected: bool) -> str | None:  # noqa: ARG002 (the protocol's)
        """Return `no power`; None if it has power."""
        return None if self._powered else "no power"

    def power_off(self) -> None:
        self._powered = False
        lib.inproc_power(self.handle, False)

    def power_cycle(self) -> None:
        self.power_off()
        lib.inproc_power(self.handle, True)
        self._powered = True

    def shut_down(self) -> None:
        self.power_off()


def run_batch(
    boards: Sequence[Batchable],
    voters: int,
    golden: Golden,
    count: int,
    record_len: int,
    checkpoint_every: int,
) -> bytes:
    """Run up to `count` frames in one call and return the packed frames that were run.

    All of them are quiet but possibly the last. Returns no bytes if a board cannot run a batch now,
    because it has a stuck bit. `voters`: mask of the nodes that vote; `record_len`: length of a
    packed frame [byte]. The boards take checkpoints of quiet frames, one every `checkpoint_every`
    frames (0: none). Raises: KernelError."""
    pointers = ffi.new("hil_inproc_t *[]", [b.handle for b in boards])
    out = ffi.new("uint8_t[]", count * record_len)
    size = count * record_len
    done = lib.inproc_batch(
        pointers, len(boards), voters, golden.handle, count, checkpoint_every, out, size
    )
    if done == lib.HIL_ERR_STATE:
        return b""
    return bytes(ffi.buffer(out, check(done, "inproc_batch") * record_len))

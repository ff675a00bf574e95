"""Steps of a workload of the kernel in this process, in which a bit may be flipped at a tick."""

from __future__ import annotations

from typing import Any, Final

from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.kernel import check, workload

__all__ = ["TickStep"]

_ALIGNED: Final = 64


class TickStep:
    """One context of a workload: its state, input, output and scratch memory, and its steps. An
    object is for one thread; several may work at the same time.

    Raises: KernelError if there is no workload of that name."""

    def __init__(self, name: str, seed: int) -> None:
        self.workload = workload(name)
        self.seed = seed
        self._handle = lib.workload_find(name.encode())
        self._kept: list[Any] = []
        self._state = self._region(self.workload.state_len)
        self._input = self._region(self.workload.input_len)
        self._output = self._region(self.workload.output_len)
        self._scratch = self._region(self.workload.scratch_len)
        regions = (self._state, self._input, self._output, self._scratch)
        self._io = ffi.new("hil_workload_io_t *", regions)
        self._progress = ffi.new("hil_progress_t *")
        self._flip: tuple[Any, int, int] | None = None

        @ffi.callback("int(void *, uint32_t)")  # type: ignore[untyped-decorator]
        def reached(_context: Any, _tick: int) -> int:
            self._strike()
            return 0

        self._reached = reached
        self._handle.init(self._state, seed)

    def _region(self, size: int) -> Any:
        """Return `size` zero bytes, aligned as the kernel promises its workloads."""
        memory = ffi.new("uint8_t[]", size + _ALIGNED)
        self._kept.append(memory)
        return memory + -int(ffi.cast("uintptr_t", memory)) % _ALIGNED

    @property
    def state(self) -> bytes:
        """Return the state."""
        return bytes(ffi.buffer(self._state, self.workload.state_len))

    @state.setter
    def state(self, content: bytes) -> None:
        """Replace the state. Raises: KernelError if it has another length."""
        if len(content) != self.workload.state_len:
            raise KernelError(int(lib.HIL_ERR_ARG), f"state of {len(content)} bytes")
        ffi.memmove(self._state, content, len(content))

    def scratch(self, at: int, length: int) -> bytes:
        """Return bytes of the scratch memory, as the last step left them."""
        return bytes(ffi.buffer(self._scratch + at, length))

    def step(self, frame: int) -> bytes:
        """Compute a frame from the state; return the output."""
        return self._step(frame, 0)

    def struck_step(self, frame: int, tick: int, bit: int, *, scratch: bool = False) -> bytes:
        """Compute a frame with `bit` of the state, or of the scratch memory, flipped when `tick` is
        reached (0: before the step); return the output."""
        memory = self._scratch if scratch else self._state
        self._flip = memory, bit // 8, 1 << bit % 8
        if tick == 0:
            self._strike()
        return self._step(frame, tick)

    def _step(self, frame: int, tick: int) -> bytes:
        self._handle.input(self._input, self.seed, frame)
        progress = self._progress
        progress.tick, progress.stop_tick, progress.stop = 0, tick, self._reached
        check(self._handle.step(self._io, progress), "step")
        return bytes(ffi.buffer(self._output, self.workload.output_len))

    def _strike(self) -> None:
        if self._flip is not None:
            memory, byte, mask = self._flip
            memory[byte] ^= mask
            self._flip = None

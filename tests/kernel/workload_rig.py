"""One context of a workload: its four regions, its step, and a bit that is flipped at a tick."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil._kernel import ffi, lib

REGIONS = ("state", "input", "output", "scratch")


class Rig:
    """One context of a workload: its four regions, 64-byte aligned, and its step."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.workload = lib.workload_find(name.encode())
        assert self.workload != ffi.NULL, name
        self.seed = seed
        self._memory: list[Any] = []
        self.state, self._state = self._region(self.workload.state_len)
        self.input, self._input = self._region(self.workload.input_len)
        self.output, self._output = self._region(self.workload.output_len)
        self.scratch, self._scratch = self._region(self.workload.scratch_len)
        self.io = ffi.new(
            "hil_workload_io_t *", (self._state, self._input, self._output, self._scratch)
        )
        self.workload.init(self._state, seed)

    def _region(self, size: int) -> tuple[NDArray[np.uint8], Any]:
        memory = ffi.new("uint8_t[]", size + 64)
        self._memory.append(memory)
        pointer = memory + -int(ffi.cast("uintptr_t", memory)) % 64
        return np.frombuffer(ffi.buffer(pointer, size), np.uint8), pointer

    def sense(self, frame: int) -> None:
        """Put the input of |frame| in place."""
        self.workload.input(self._input, self.seed, frame)

    def region(self, name: str) -> NDArray[np.uint8]:
        return {
            "state": self.state,
            "input": self.input,
            "output": self.output,
            "scratch": self.scratch,
        }[name]

    def step_with_flip(self, tick: int, region: str, byte: int, bit: int) -> bytes:
        """Run one step in which a bit is flipped when tick |tick| is reached (0: before the step);
        return the output."""
        memory = self.region(region)
        if tick == 0:
            memory[byte] ^= 1 << bit
            return self.step()

        @ffi.callback("int(void *, uint32_t)")  # type: ignore[untyped-decorator]
        def stop(context: Any, now: int) -> int:
            assert now == tick
            memory[byte] ^= 1 << bit
            return 0

        progress = ffi.new("hil_progress_t *", {"stop_tick": tick, "stop": stop})
        assert self.workload.step(self.io, progress) == lib.HIL_OK
        assert progress.tick == self.workload.ticks
        return self.output.tobytes()

    def step(self) -> bytes:
        """Run one step over what is in the regions; return the output."""
        progress = ffi.new("hil_progress_t *")
        assert self.workload.step(self.io, progress) == lib.HIL_OK
        assert progress.tick == self.workload.ticks
        return self.output.tobytes()

    def frames(self, count: int) -> Iterator[tuple[bytes, bytes, bytes]]:
        """(state before, input, output) of frames 0..count-1."""
        for frame in range(count):
            before = self.state.tobytes()
            self.sense(frame)
            yield before, self.input.tobytes(), self.step()


def philox(seed: int, stream: bytes, *counter: int) -> list[int]:
    """The block of four words that the kernel draws at |counter|, from NumPy's Philox."""
    value = sum(word << 64 * i for i, word in enumerate(counter))
    key = seed | int.from_bytes(stream, "big") << 64
    # NumPy increments the counter before it makes a block.
    generator = np.random.Philox(counter=(value - 1) % (1 << 256), key=key)
    return [int(word) for word in generator.random_raw(4)]

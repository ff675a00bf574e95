"""One state of a workload, many inputs: steps in this process (csrc/host/input_bench.h)."""

from __future__ import annotations

from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.kernel import check, workload

__all__ = ["InputBench"]


class InputBench:
    """Runs steps of a workload of the kernel on many inputs, each from the same state. An object is
    for one thread; several may work at the same time."""

    def __init__(self, name: str) -> None:
        self.workload = workload(name)
        self._handle = lib.workload_find(name.encode())
        self._size = int(lib.input_bench_memory(self._handle))
        self._memory = ffi.new("uint8_t[]", self._size)

    def outputs(self, state: bytes | bytearray, inputs: bytes) -> bytes:
        """Return the outputs for inputs that lie one after the other. Raises: KernelError if the
        state, or an input, has another length than the workload's."""
        size = self.workload.input_len
        count, rest = divmod(len(inputs), max(1, size))
        if rest or len(state) != self.workload.state_len:
            raise KernelError(int(lib.HIL_ERR_ARG), "state or inputs of another length")
        out = ffi.new("uint8_t[]", max(1, count * self.workload.output_len))
        memory = (self._memory, self._size)
        args = (ffi.from_buffer(state), ffi.from_buffer(inputs), count, out, *memory)
        check(lib.input_bench_run(self._handle, *args), "input_bench_run")
        return bytes(ffi.buffer(out, count * self.workload.output_len))

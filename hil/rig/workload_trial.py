"""The trial of a user's workload, in a process of its own: `workload_trial LIBRARY NAME PHASE SEED
FRAMES`.

It prints where it is before each part, so that a workload that ends this process shows where; then
`wrong: ` and the rule of csrc/kernel/workload.h that does not hold, or `right`."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

from hil._kernel import ffi, lib
from hil.kernel import check, workload_of

__all__ = ["CPU_S", "FRAMES_ALWAYS", "STACK_BYTES", "main"]

_GUARD: Final = 4096  # [byte] on each side of a region
_ALIGNMENT: Final = 64
FRAMES_ALWAYS: Final = 50
"""Even a shorter scenario is tried for so many frames."""
_LONG_S: Final = 3.0
_TRIALS: Final = 200
CPU_S: Final = 10
_STATE_MAX: Final = 1 << 20
_SCRATCH_MAX: Final = 8 << 20
STACK_BYTES: Final = 256 << 10  # WORKER_STACK_LEN, csrc/port/linux/port_linux.h
_INPROC_MAX: Final = (1 << 20) + (1 << 18)  # ARENA_LEN, csrc/port/inproc/inproc.c
_AWKWARD: Final = tuple(
    struct.pack("<Q", word)
    for word in (
        *(0x7FF8000000000000, 0xFFF0000000000000, 0x7FF0000000000001, 1, 0x800FFFFFFFFFFFFF),
        *(0x7FEFFFFFFFFFFFFF, 1 << 63, 0x3FF0000000000000, 0, 2**64 - 1),
    )
)
"""Doubles that an upset may make: NaN, infinities, subnormals, huge, tiny, zeros."""


class Wrong(Exception):
    """A rule that does not hold."""


class Context:
    """The four regions of a step, each between two guards."""

    def __init__(self, w: Any) -> None:
        self.w = w
        self.lengths = (w.state_len, w.input_len, w.output_len, w.scratch_len)
        self._owners = [ffi.new("uint8_t[]", n + 2 * _GUARD + _ALIGNMENT) for n in self.lengths]
        self._begins = [_aligned(owner) for owner in self._owners]
        regions = [begin + _GUARD for begin in self._begins]
        self.views = [ffi.buffer(r, max(1, n)) for r, n in zip(regions, self.lengths, strict=True)]
        self.io = ffi.new("hil_workload_io_t *", tuple(regions))
        self.input_begin = regions[1]  # which a step may only read
        for begin, length in zip(self._begins, self.lengths, strict=True):
            ffi.memmove(begin, b"\xa5" * (length + 2 * _GUARD), length + 2 * _GUARD)

    def fill(self, region: int, content: bytes) -> None:
        """Put bytes into a region, as many as it has."""
        length = self.lengths[region]
        self.views[region][:length] = content[:length]

    def content(self, region: int) -> bytes:
        """Return the bytes of a region."""
        return bytes(self.views[region][: self.lengths[region]])

    def step(self, where: str, *, small_stack: bool = False) -> None:
        """Compute a step. `small_stack`: on a stack of the size that a worker's has. Raises: Wrong
        if it fails, counts another number of ticks, or writes where it must not."""
        progress = ffi.new("hil_progress_t *")
        sensed = self.content(1)
        if small_stack:
            status = self._step_on_small_stack(progress, where)
        else:
            status = self.w.step(self.io, progress)
        if status != lib.HIL_OK:
            raise Wrong(f"the step returns {status} {where}; expected HIL_OK (0)")
        if progress.tick != self.w.ticks:
            raise Wrong(
                f"the step counts {progress.tick} ticks {where}; `.ticks` says {self.w.ticks} "
                "(rule 6)"
            )
        if self.content(1) != sensed:
            raise Wrong(f"the step writes into its input {where}")
        names = ("state", "input", "output", "scratch")
        for name, begin, length in zip(names, self._begins, self.lengths, strict=True):
            whole = bytes(ffi.buffer(begin, length + 2 * _GUARD))
            if set(whole[:_GUARD]) | set(whole[_GUARD + length :]) != {0xA5}:
                raise Wrong(f"the step writes outside of its {name} {where} (rule 2)")

    def _step_on_small_stack(self, progress: Any, where: str) -> int:
        status = ffi.new("int *")
        done = lib.small_stack_step(self.w, self.io, progress, STACK_BYTES, status)
        if done == lib.HIL_ERR_EXHAUSTED:
            raise Wrong(
                f"the step needs more stack than the {STACK_BYTES >> 10} KiB that a worker has, "
                f"{where} (rule 8): large arrays belong into scratch"
            )
        check(done, "small_stack_step")
        return int(status[0])


def _aligned(owner: Any) -> Any:
    return owner + -int(ffi.cast("uintptr_t", owner)) % _ALIGNMENT


def _sizes(w: Any, name: str) -> None:
    said = ffi.string(w.name, 64).decode("utf-8", "replace") if w.name != ffi.NULL else ""
    if said != name:
        raise Wrong(f"`.name` is {said!r}; expected {name!r}, which the file is called")
    if ffi.NULL in (w.init, w.input, w.step):
        raise Wrong("`.init`, `.input` or `.step` is missing")
    limits = (
        ("state_len", w.state_len, 1, _STATE_MAX),
        ("input_len", w.input_len, 0, int(lib.MESSAGE_IO_MAX)),
        ("output_len", w.output_len, 1, int(lib.MESSAGE_IO_MAX)),
        ("scratch_len", w.scratch_len, 0, _SCRATCH_MAX),
        ("ticks", w.ticks, 1, 1_000_000),
    )
    for key, value, least, most in limits:
        if not least <= value <= most:
            raise Wrong(f"`.{key}` is {value}; expected {least} to {most}")


def fault_free(w: Any, seed: int, frames: int) -> None:
    """Compute the frames of the golden run, as many as a few seconds allow, the first of them in
    two contexts that differ in what must not matter. Raises: Wrong."""
    first, second = Context(w), Context(w)
    for context in (first, second):
        _say("in init")
        w.init(context.io.state, seed)
    if first.content(0) != second.content(0):
        raise Wrong("init writes another state each time (rule 5)")
    began = _cpu_s()
    for frame in range(max(frames, FRAMES_ALWAYS)):
        where = f"in frame {frame}"
        before = first.content(0)
        if frame < FRAMES_ALWAYS:
            _say(f"in the input of frame {frame}")
            _provide(second, seed, frame, b"\xff")
        _provide(first, seed, frame, b"\0")
        _say(where)
        first.step(where, small_stack=frame < FRAMES_ALWAYS)
        if frame < FRAMES_ALWAYS:
            second.step(where)
            _compare(first, second, before, where)
        elif _cpu_s() - began > _LONG_S:
            return


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _provide(context: Context, seed: int, frame: int, garbage: bytes) -> None:
    """Put the input of a frame into a context, and garbage into what no step relies on."""
    context.w.input(context.input_begin, seed, frame)
    context.fill(2, garbage * context.lengths[2])
    context.fill(3, garbage * context.lengths[3])


def _compare(first: Context, second: Context, before: bytes, where: str) -> None:
    """Check that a step has done the same in two contexts; `before` is the state it began with.
    Raises: Wrong."""
    for region, name in ((0, "state"), (2, "output")):
        if first.content(region) == second.content(region):
            continue
        again = Context(first.w)
        for number, content in enumerate((before, first.content(1), b"\0" * first.lengths[2],
                                          b"\0" * first.lengths[3])):  # fmt: skip
            again.fill(number, content)
        again.step(where)
        if again.content(region) != first.content(region):
            raise Wrong(
                f"its {name} is another one each time {where}, from the same state and input: it "
                "depends on time, on addresses, on memory that it has not written, or on what it "
                "keeps outside of its state (rule 5)"
            )
        raise Wrong(
            f"its {name} depends on what scratch and output held before, {where} (rules 4 and 5)"
        )


def any_bytes(w: Any, seed: int, _frames: int) -> None:
    """Compute steps over any bytes, and abandon one at each tick. Raises: Wrong."""
    total = sum(-(-n // _ALIGNMENT) * _ALIGNMENT for n in (
        w.state_len, w.input_len, w.output_len, w.scratch_len))  # fmt: skip
    if total > _INPROC_MAX:
        raise Wrong(f"it needs {total} bytes of memory; expected at most {_INPROC_MAX}")
    rng = random.Random(1)  # noqa: S311  (bytes to try, the same each time)
    context = Context(w)
    for trial in range(_TRIALS):
        where = f"with any bytes in its memory (trial {trial})"
        _say(where)
        for region, length in enumerate(context.lengths):
            context.fill(region, _some_bytes(rng, length, awkward=trial % 3 == 1))
        context.step(where)
    for tick in range(1, min(w.ticks, 1000) + 1):
        where = f"when it is abandoned at tick {tick}"
        _say(where)
        _abandon(w, context, seed, tick, where)


def _some_bytes(rng: random.Random, length: int, *, awkward: bool) -> bytes:
    if awkward:
        return b"".join(rng.choice(_AWKWARD) for _ in range(-(-length // 8)))[:length]
    return rng.randbytes(length)


def _abandon(w: Any, context: Context, seed: int, tick: int, where: str) -> None:
    stopped: list[int] = []

    def stop(_: int | None, now: int) -> int:
        stopped.append(now)
        return 1

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32)
    callback = kind(stop)
    address = ctypes.cast(callback, ctypes.c_void_p).value
    progress = ffi.new("hil_progress_t *", {"stop_tick": tick})
    progress.stop = ffi.cast("int (*)(void *, uint32_t)", address)
    w.init(context.io.state, seed)
    w.input(context.input_begin, seed, tick)
    status = w.step(context.io, progress)
    if stopped != [tick] or progress.tick != tick or status != lib.HIL_ERR_STATE:
        raise Wrong(f"the step goes on, or does not return HIL_ERR_STATE, {where} (rule 6)")


_PHASES: Final[dict[str, Callable[[Any, int, int], None]]] = {
    "fault-free": fault_free,
    "any-bytes": any_bytes,
}


def _say(where: str) -> None:
    print(where, flush=True)  # noqa: T201  (the answer to the process that has started this one)


def main(library: str, name: str, phase: str, seed: str, frames: str) -> None:
    """Carry out one phase of the trial, for the golden run of `seed` and so many `frames`, and
    print how it ended."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, 2 * CPU_S))
    loaded = ctypes.CDLL(library, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    where = ctypes.addressof(ctypes.c_char.in_dll(loaded, f"workload_{name}"))
    w = ffi.cast("hil_workload_t *", where)
    try:
        _sizes(w, name)
        workload_of(w)
        _PHASES[phase](w, int(seed), int(frames))
    except Wrong as wrong:
        _say(f"wrong: {wrong}")
    else:
        _say("right")


if __name__ == "__main__":
    main(*sys.argv[1:6])

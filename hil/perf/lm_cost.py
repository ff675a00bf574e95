"""Speed of the language model: a character in the kernel, without and with checksums, beside the
same model in NumPy, and characters that three boards write and vote on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from hil._kernel import ffi, lib
from hil.kernel import Golden, check, workload
from hil.perf.numpy_lm import NumpyLm
from hil.perf.row import PerfRow, Reference, in_turns, make_row, seconds
from hil.perf.run_rate import run_measured
from hil.run_outcome import RunOutcome

_NAME: Final = "lm"
_PROTECTED: Final = "lm+abft"
_SEED: Final = 1
_CHARACTER_US: Final = 150.0
_VOTED_RATE: Final = 1_500

_SCENARIO: Final = """\
schema: 1
workload: lm
frames: {frames}
rig: {{scheme: tmr, board: process}}
"""


class _Context:
    """The regions of one context of the workload, with the input of the frame before `step`."""

    def __init__(self, name: str, frame: int) -> None:
        self._workload, sizes = lib.workload_find(name.encode()), workload(name)
        lengths = (sizes.state_len, sizes.input_len, sizes.output_len, sizes.scratch_len)
        self._regions: list[Any] = [ffi.new("uint8_t[]", length) for length in lengths]
        self._io = ffi.new("hil_workload_io_t *", self._regions)
        self._progress = ffi.new("hil_progress_t *")
        self._workload.init(self._regions[0], _SEED)
        for number in range(frame):
            self._workload.input(self._regions[1], _SEED, number)
            self.step()

    def step(self) -> None:
        """Compute one step."""
        self._progress.tick = 0
        check(self._workload.step(self._io, self._progress), "step")

    @property
    def state(self) -> bytes:
        """Return the state."""
        return bytes(ffi.buffer(self._regions[0]))

    @property
    def input(self) -> bytes:
        """Return the input."""
        return bytes(ffi.buffer(self._regions[1]))


def _cpu_us(action: Callable[[], object], times: int) -> float:
    """Return the CPU time of one call of `action` [us]."""
    began = time.process_time()
    for _ in range(times):
        action()
    return (time.process_time() - began) / times * 1e6


def lm(quick: bool) -> Iterator[PerfRow]:
    """Measure the language model, with a full window of characters in sight."""
    kernel, protected = _Context(_NAME, 100), _Context(_PROTECTED, 100)
    model, sensed = NumpyLm(kernel.state), kernel.input
    kernel_us, protected_us, numpy_us = in_turns(
        7 if quick else 25,
        lambda: _cpu_us(kernel.step, 200),
        lambda: _cpu_us(protected.step, 200),
        lambda: _cpu_us(lambda: model.step(sensed), 20),
    )
    value = min(kernel_us)
    yield make_row(
        "language model, one character",
        value,
        "us",
        target=f"<= {_CHARACTER_US:g} us",
        ok=value <= _CHARACTER_US,
        reference=Reference("the same model in NumPy", min(numpy_us)),
        note="CPU time on one core; int8 weights, 64 characters in sight",
    )
    value = min(protected_us)
    yield make_row(
        "language model with checksums, one character",
        value,
        "us",
        target=f"<= {_CHARACTER_US:g} us",
        ok=value <= _CHARACTER_US,
        reference=Reference("without checksums", min(kernel_us)),
        note=f"`{_PROTECTED}`: CPU time on one core",
    )
    frames, rounds = (1000, 2) if quick else (6000, 5)
    cpu_us: list[float] = []

    def running() -> float:
        run = run_measured(_SCENARIO.format(frames=frames))
        assert run.result.outcome == RunOutcome.PASS, "a quiet run passes"
        cpu_us.append(run.cpu_s / run.frames * 1e6)
        return run.frames / run.wall_s

    def golden() -> float:
        steps = Golden(_NAME, _SEED)
        return 2000 / seconds(steps.step, 2000)

    rates, references = in_turns(rounds, running, golden)
    yield make_row(
        "language model, voted characters of three process boards",
        max(rates),
        "1/s",
        target=f">= {_VOTED_RATE}/s",
        ok=max(rates) >= _VOTED_RATE,
        reference=Reference("golden steps from Python", max(references)),
        note=f"best of {rounds} runs of {frames} frames, with a record; a character takes "
        f"{min(cpu_us):.0f} us of CPU time, of host and boards",
    )

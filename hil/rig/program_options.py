"""The options of a workload that is not one of the kernel's for all nodes: a program with its time
to start, its inputs, and results that are right; a user's own C file; or that of checkers."""

from __future__ import annotations

from dataclasses import dataclass

from hil.kernel import Random
from hil.rig.own_workload import OwnWorkload
from hil.rig.recorded_run import GoldenResults
from hil.scenario.program_input import ProgramInputs

__all__ = ["ProgramOptions"]


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """The options of a program, or a C file. `init_us`: the time in which it must answer INIT [us];
    `inputs`: those of the frames, None: random bytes; `frames`: so many need one, None: not known;
    `recorded`: the golden run, None: the program of this computer computes it; `own`: the C file,
    loaded into this process, None: the workload is another; `command`: path and arguments of the
    program of this computer, None: those that it allows under that name; `reduced`: the workload
    that all nodes but the first compute, which check it; empty: all compute the same."""

    init_us: int = 10_000_000
    inputs: ProgramInputs | None = None
    frames: int | None = None
    recorded: GoldenResults | None = None
    own: OwnWorkload | None = None
    command: tuple[str, ...] | None = None
    reduced: str = ""

    def mismatch(self, length: int, frames: int | None) -> str:
        """Return why the inputs are not those of a program that takes `length` bytes, in a run of
        so many frames; empty if they are."""
        return "" if self.inputs is None else self.inputs.mismatch(length, frames)

    def input_of(self, seed: int, frame: int, length: int) -> bytes:
        """Return the input of a frame, of `length` bytes."""
        if self.inputs is not None:
            return self.inputs.of(frame, length)
        random = Random(seed, frame)
        words = [random.bits64().to_bytes(8, "little") for _ in range(-(-length // 8))]
        return b"".join(words)[:length]

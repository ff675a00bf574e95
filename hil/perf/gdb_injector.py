"""An injector as others build it, to compare with: GDB, started for each experiment, carries out a
script that stops the program at an instruction, flips a bit and lets it run on; the output is
compared. (CAROL-FI, Oliveira et al., IEEE Trans. Comput. 2017, works so.)"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hil import assets
from hil.board_types.compilers import find_compiler, native
from hil.errors import SetupError
from hil.kernel import Random
from hil.upsets.words import NodeEffect

__all__ = ["GdbInjector", "gdb_injector", "why_no_gdb"]

_FLAGS: Final = ("-std=c11", "-O2", "-g", "-ftree-vectorize", "-ffp-contract=off",
                 "-fno-tree-slp-vectorize", "-no-pie")  # fmt: skip
_TIMEOUT_S: Final = 60
_SCRIPT: Final = """\
set confirm off
set pagination off
break carry_out_step
run
stepi {position}
set var region_{region}[{byte}] = region_{region}[{byte}] ^ {mask}
delete
continue
"""


def why_no_gdb() -> str:
    """Return why there is no such injector on this computer; empty if there may be one."""
    if shutil.which("gdb") is None:
        return "gdb is not installed"
    target = native()
    if target is None:
        return "this processor is none that hil builds agents for"
    try:
        find_compiler(target)
    except SetupError as error:
        return error.message
    return ""


class GdbInjector:
    """Injects faults into step `frame` of a workload by GDB. `program` is `injected_step`."""

    def __init__(self, program: Path, workload: str, seed: int, frame: int) -> None:
        self._program = program
        self._arguments = [workload, str(seed), str(frame)]
        done = subprocess.run(
            [program, *self._arguments], capture_output=True, text=True, timeout=_TIMEOUT_S,
            check=True,
        )  # fmt: skip
        self._golden = done.stdout.splitlines()

    def inject(self, position: int, region: str, byte: int, bit: int) -> NodeEffect:
        """Flip a bit of `region` (state, input) after `position` instructions of the step, and
        return what that comes to. Raises: SetupError if GDB does not do as it should."""
        script = _SCRIPT.format(position=position, region=region, byte=byte, mask=1 << bit)
        with tempfile.NamedTemporaryFile("w", suffix=".gdb") as file:
            file.write(script)
            file.flush()
            gdb = [shutil.which("gdb") or "gdb", "-nx", "-batch", "-x", file.name, "--args"]
            done = subprocess.run(
                [*gdb, self._program, *self._arguments],
                capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
            )  # fmt: skip
        lines = done.stdout.splitlines()
        if any("received signal" in text for text in lines):
            return NodeEffect.CRASH
        count = len(self._golden)
        at = next((i for i, text in enumerate(lines) if text.startswith("status ")), None)
        if at is None:
            raise SetupError(f"gdb carried out no step: {(done.stderr or done.stdout)[-200:]}")
        _, output, state = lines[at : at + count]
        if output != self._golden[1]:
            return NodeEffect.SDC
        return NodeEffect.MASKED if state == self._golden[2] else NodeEffect.LATENT

    def rate(self, length: int, sizes: tuple[int, int], *, seconds: float, least: int) -> float:
        """Return how many experiments it carries out per second of CPU time, in as many seconds
        and at least so many experiments: random ones in state and input, which have `sizes` bytes,
        anywhere in a step of `length` instructions."""
        draw = Random(1, 0)
        effects: Counter[NodeEffect] = Counter()
        began, cpu_s = time.perf_counter(), _children_cpu_s()
        while effects.total() < least or time.perf_counter() - began < seconds:
            region = draw.bits64() % 2
            byte, bit = draw.bits64() % sizes[region], draw.bits64() % 8
            position = 1 + draw.bits64() % length
            effects[self.inject(position, ("state", "input")[region], byte, bit)] += 1
        return effects.total() / (_children_cpu_s() - cpu_s)


def _children_cpu_s() -> float:
    """Return the CPU time of all programs that have ended [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def gdb_injector(workload: str, seed: int, frame: int) -> Iterator[GdbInjector]:
    """Build the program, and yield an injector for it. Raises: SetupError."""
    target = native()
    assert target is not None, "why_no_gdb says so"
    compiler, sources = find_compiler(target), assets.sources_dir()
    layers = ("kernel", "kernel/workloads")
    with tempfile.TemporaryDirectory(prefix="hil-perf-") as folder:
        program = Path(folder) / "injected_step"
        files = [p for layer in layers for p in sorted((sources / layer).glob("*.c"))]
        files.append(Path(__file__).with_name("injected_step.c"))
        done = subprocess.run(
            [*compiler.command, *_FLAGS, f"-I{sources / 'kernel'}", "-o", program, *files],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SetupError(f"the program for gdb does not compile: {done.stderr[:300]}")
        yield GdbInjector(program, workload, seed, frame)

"""A user's own C file as the workload of this computer's boards, and of its golden run.

It is compiled as a library, and loaded into this process. Before that, it is tried in a process of
its own (`hil.rig.workload_trial`): what it does wrong there is a message, not the end of hil."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from hil._kernel import ffi
from hil.assets import module_command
from hil.board_types.workload_build import cached_library
from hil.errors import ConfigError, Problem, SetupError
from hil.kernel import Golden, Workload, workload_of
from hil.rig import workload_trial
from hil.rig.program_words import signal_name
from hil.scenario import Scenario
from hil.scenario.c_workload import CSource, read_c_source

__all__ = ["OwnWorkload", "own_workload", "sizes_of"]

_TRIAL_S: Final = 100.0


@dataclass(frozen=True, slots=True)
class OwnWorkload:
    """The workload of a C file. `handle`: its `hil_workload_t *`, valid until the process ends;
    `warnings`: of the compiler, each with its place."""

    source: CSource
    library: Path
    warnings: tuple[str, ...]
    handle: Any = field(repr=False)

    @property
    def workload(self) -> Workload:
        """Return its name and sizes."""
        return workload_of(self.handle)

    def golden_run(self, seed: int) -> Golden:
        """Begin its golden run."""
        return Golden(self.source.name, seed, self.handle)

    def check_total(self) -> None:
        """Check that it computes with any bytes in its memory: an in-process board would end hil
        otherwise. Raises: SetupError if it does not."""
        problem = _trial(self.library, self.source.name, "any-bytes", 7, 0)
        if problem:
            raise SetupError(
                f"{self.source.path} cannot be computed by inproc boards: {problem}",
                remedy="use `--boards process`, where a crash is an outcome; or follow rule 2 of "
                "csrc/kernel/workload.h",
            )


def own_workload(scenario: Scenario) -> OwnWorkload | None:
    """Return the workload of a scenario that is a C file; None if another one is. It is compiled if
    that was not done before.

    Raises: ConfigError if the file has changed since the scenario was loaded, does not compile, or
    is not a workload; SetupError if this computer cannot compile it. Thread-safe."""
    config = scenario.c_workload
    if config is None:
        return None
    source = read_c_source(Path(config.c), config.sha256)
    built = cached_library(source)
    library = built.path
    frames = max(scenario.frame_count, workload_trial.FRAMES_ALWAYS)
    problem = _trial(library, source.name, "fault-free", scenario.seed, frames)
    if problem:
        remedy = "csrc/kernel/workload.h has the rules"
        raise ConfigError([Problem(str(source.path), 0, 0, "", problem, remedy)])
    return OwnWorkload(source, library, built.warnings, _loaded(library, source.name))


def sizes_of(scenario: Scenario) -> Workload | None:
    """Return the name and the sizes of a scenario's C file, which is compiled and not tried: none
    of it runs. None if the workload is another one.

    Raises: ConfigError, SetupError, as `own_workload`."""
    config = scenario.c_workload
    if config is None:
        return None
    source = read_c_source(Path(config.c), config.sha256)
    return workload_of(_loaded(cached_library(source), source.name))


@cache
def _loaded(library: Path, name: str) -> Any:
    """Load a library, and return its workload. The C code may be loaded once only: its addresses
    are compared."""
    loaded = ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    where = ctypes.addressof(ctypes.c_char.in_dll(loaded, f"workload_{name}"))
    return ffi.cast("hil_workload_t *", where)


def _trial(library: Path, name: str, phase: str, seed: int, frames: int) -> str:
    """Return what a workload does wrong in a trial for the golden run of `seed` and so many
    `frames`; empty if nothing. That is kept beside the library, so that it is not tried again."""
    passed = library.with_suffix(f".{phase}-{seed}-{_trial_version()}")
    if _passed(passed) >= frames:
        return ""
    problem = _carried_out(library, name, phase, seed, frames)
    if not problem:
        with contextlib.suppress(OSError):  # it is tried again the next time
            passed.write_text(str(frames))
    return problem


def _passed(file: Path) -> int:
    """Return how many frames a trial has passed, by the file that says so; -1 if there was none."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return -1


@cache
def _trial_version() -> str:
    """Return a word for the trial itself: another one may find more."""
    return hashlib.sha256(Path(workload_trial.__file__).read_bytes()).hexdigest()[:12]


def _carried_out(library: Path, name: str, phase: str, seed: int, frames: int) -> str:
    arguments = (str(library), name, phase, str(seed), str(frames))
    command = module_command("hil.rig.workload_trial", *arguments)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TRIAL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        return f"it did not end within {_TRIAL_S:g} s {_last(text)}"
    except OSError as error:
        raise SetupError(f"cannot start {sys.executable}: {error}") from error
    if done.returncode == -signal.SIGXCPU:
        return f"it takes more than {workload_trial.CPU_S} s of CPU time {_last(done.stdout)}"
    if done.returncode < 0:
        return f"it died of {signal_name(-done.returncode)} {_last(done.stdout)}"
    if done.returncode:
        raise SetupError(
            f"the trial of the workload {name} failed: {done.stderr.strip()[-300:]}",
            remedy="run `hil doctor`",
        )
    last = _last(done.stdout)
    return last.removeprefix("wrong: ") if last.startswith("wrong: ") else ""


def _last(text: str) -> str:
    """Return the last line of what a trial says: where it is, or what is wrong."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else "when it was loaded"

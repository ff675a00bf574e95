"""The program that computes an ONNX model: what this computer starts, and what is wrong with a
model.

It is csrc/port/linux/sdk/onnx_worker.py with this Python, for process boards and the golden run. A
real board's agent has a program `onnx` of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Final

from hil.assets import sources_dir
from hil.errors import ConfigError, Problem, SetupError
from hil.extras import install_command
from hil.rig.program_words import signal_name
from hil.scenario import Scenario
from hil.scenario.load import UNPLACED
from hil.scenario.onnx_workload import ONNX_PROGRAM, sha256_of_model

__all__ = ["check_onnx", "model_programs"]

_CHECK_S: Final = 300.0
_COMMAND_MAX: Final = 511
"""[byte] What an agent takes as a program with its arguments (port_linux.h)."""


def model_programs(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """Return path and arguments of the program that computes the model of a scenario, by its name;
    empty if its workload is none.

    Raises: ConfigError if the model cannot be read or is another than the scenario's, or the names
    of the files are too long for an agent; SetupError if the worker was not installed."""
    model = scenario.onnx_workload
    if model is None:
        return {}
    sha256_of_model(Path(model.onnx), model.sha256)  # of a run that is resumed, it may have changed
    worker = sources_dir() / "port" / "linux" / "sdk" / "onnx_worker.py"
    if not worker.is_file():
        raise SetupError(f"{worker} is missing", remedy="install the package again")
    inputs = () if model.inputs is None else ("--inputs", model.inputs)
    command = (sys.executable, str(worker), model.onnx, "--below", str(model.below), *inputs)
    if len(",".join(command).encode()) > _COMMAND_MAX or "," in "".join(command):
        what = f"its path is longer than an agent takes ({_COMMAND_MAX} bytes), or has a comma"
        raise ConfigError(
            [Problem(UNPLACED, 0, 0, "$.workload.onnx", what, "move it to a shorter path")]
        )
    return {ONNX_PROGRAM: command}


def check_onnx(scenario: Scenario) -> tuple[str, ...]:
    """Check that this computer can compute the model of a scenario, if its workload is one. Return
    a sentence for each kind of its weights that no upset can hit.

    Raises: SetupError if the extra is missing, or the model cannot be tried; ConfigError if it
    cannot be used."""
    command = model_programs(scenario).get(ONNX_PROGRAM)
    if command is None:
        return ()
    if importlib.util.find_spec("onnxruntime") is None:
        raise SetupError(
            "an ONNX model is computed by onnxruntime, which is not installed",
            remedy=install_command("onnx"),
        )
    try:
        done = subprocess.run(
            [*command, "--check"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHECK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"the model {command[2]} cannot be tried: {error}") from error
    if done.returncode == 0:
        _, *left_out = done.stdout.splitlines()
        return tuple(f"{command[2]}: {sentence}" for sentence in left_out)
    said = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    if done.returncode < 0:
        said = f"onnxruntime died of {signal_name(-done.returncode)} when it was tried"
    raise ConfigError([Problem(UNPLACED, 0, 0, "$.workload.onnx", f"{command[2]}: {said}")])

"""An ONNX model of the user as the workload: its file, and the inputs of its frames.

The agents and the golden run start csrc/port/linux/sdk/onnx_worker.py with it, as a program of the
workload `exec` (`hil.rig.onnx_program`)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator

from hil.errors import ConfigError, Problem
from hil.scenario.fields import FrozenModel, Int
from hil.scenario.output_config import OutputFieldsConfig
from hil.scenario.problems import wrong
from hil.scenario.words import Sha256
from hil.scenario.yaml.messages import describe

__all__ = ["ONNX_PROGRAM", "OnnxWorkloadConfig", "sha256_of_model"]

ONNX_PROGRAM: Final = "onnx"
"""The name of the program, as agents of real boards allow it (--exec onnx=...)."""


def _ending(*endings: str) -> AfterValidator:
    def check(value: str) -> str:
        if not value.endswith(endings) or not value.isprintable() or "," in value:
            raise wrong(
                f"{describe(value)} is not the name of such a file; expected "
                f"{' or '.join(f'NAME{ending}' for ending in endings)}, without a comma"
            )
        return value

    return AfterValidator(check)


class OnnxWorkloadConfig(FrozenModel):
    """A model of your own as the workload; the extra `onnx` is needed for it."""

    @model_validator(mode="before")
    @classmethod
    def _file_is_enough(cls, value: Any) -> Any:
        return {"onnx": value} if isinstance(value, str) else value

    onnx: Annotated[str, _ending(".onnx")] = Field(
        description="The file NAME.onnx, with its weights in it. Relative to the scenario's folder."
    )
    inputs: Annotated[str, _ending(".npz")] | None = Field(
        default=None,
        description="A file of NumPy with an array for each input of the model, whose rows the "
        "frames choose at random; default: floats from -1 to 1, and integers below `below`.",
    )
    below: Annotated[Int, Field(ge=1, le=2**31)] = Field(
        default=16, description="Integers that are drawn as inputs, such as tokens, are less."
    )
    sha256: Sha256 | None = Field(
        default=None, description="Of the model; filled in if it is not there."
    )
    fields: OutputFieldsConfig = Field(
        default=(),
        description="The fields of the output: name, type and unit; default: only its bytes are "
        "known.",
    )


def sha256_of_model(file: Path, sha256: str | None) -> str:
    """Return the digest of a model.

    Raises: ConfigError if it cannot be read, or has another digest than `sha256`."""
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            [Problem(str(file), 0, 0, "", f"cannot read the model: {error.strerror}")]
        ) from error
    if sha256 in (None, digest):
        return digest
    what = f"its SHA-256 is {digest}, not {sha256}: the model has changed"
    raise ConfigError([Problem(str(file), 0, 0, "", what, "restore it, or remove `sha256:`")])

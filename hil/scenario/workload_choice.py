"""The forms in which `workload:` is written: a name, a C file, or an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Discriminator, Tag

from hil.scenario.c_workload import CWorkloadConfig
from hil.scenario.fields import C_FORM, NAME_FORM, ONNX_FORM
from hil.scenario.onnx_workload import ONNX_PROGRAM, OnnxWorkloadConfig
from hil.scenario.words import WorkloadName

__all__ = ["ONNX_EXEC", "WorkloadChoice", "is_onnx", "workload_form"]

ONNX_EXEC: Final = {"program": ONNX_PROGRAM, "init_s": 60.0}
"""The `exec:` of an ONNX model that has none of its own: a runtime takes time to load."""


def is_onnx(value: object) -> bool:
    """Return whether `workload:` names an ONNX model."""
    if isinstance(value, Mapping):
        return "onnx" in value
    is_file = isinstance(value, str) and value.endswith(".onnx")
    return is_file or isinstance(value, OnnxWorkloadConfig)


def workload_form(value: object) -> str:
    """Return the tag of the form in which `workload:` is written."""
    if is_onnx(value):
        return ONNX_FORM
    is_file = isinstance(value, str) and value.endswith(".c")
    return C_FORM if is_file or isinstance(value, (Mapping, CWorkloadConfig)) else NAME_FORM


WorkloadChoice = Annotated[
    Annotated[WorkloadName, Tag(NAME_FORM)]
    | Annotated[CWorkloadConfig, Tag(C_FORM)]
    | Annotated[OnnxWorkloadConfig, Tag(ONNX_FORM)],
    Discriminator(workload_form),
]

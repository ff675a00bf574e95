"""The program of the workload `exec`, and the inputs that it is given."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hil.scenario.fields import Float, FrozenModel
from hil.scenario.output_config import OutputFieldsConfig
from hil.scenario.problems import Findings, one_of, wrong, wrong_at
from hil.scenario.words import ProgramName, Sha256, word_of
from hil.word_enum import Word

__all__ = ["INPUT_MAX", "ExecConfig", "ExecInputConfig", "GoldenSource", "hex_bytes"]

INPUT_MAX: Final = 256
"""[byte] The largest input of a workload (csrc/SPEC.md, section 7)."""


class GoldenSource(Word):
    """The source that says which results of a program are right."""

    HOST = "host"  # the program of this computer, which computes beside the boards
    RECORDED = "recorded"  # a fault-free run on the boards, before the run


GoldenWord = Annotated[GoldenSource, BeforeValidator(word_of(GoldenSource, "golden run"))]

_SOURCES: Final = ("hex", "raw", "sequence")


def hex_bytes(text: str) -> bytes:
    """Return the bytes of an input in hexadecimal digits, which blanks may separate.

    Raises: ValueError, with what was expected."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise ValueError(
            f"{text.strip()[:40]!r} is not an input; expected pairs of hexadecimal digits"
        ) from None
    if not 1 <= len(data) <= INPUT_MAX:
        raise ValueError(f"an input of {len(data)} bytes; expected 1 to {INPUT_MAX}")
    return data


def _hex_text(value: str) -> str:
    try:
        return hex_bytes(value).hex()
    except ValueError as error:
        raise wrong(str(error)) from None


class ExecInputConfig(FrozenModel):
    """The inputs of a program, one for each frame: from a file, or written down."""

    hex: str | None = Field(
        default=None,
        description="A text file: in each line the input of a frame in hexadecimal digits; empty "
        "lines and what follows a # are left out. Relative to the scenario's folder.",
    )
    raw: str | None = Field(
        default=None,
        description="A file with the bytes of all inputs, one after the other, each as long as the "
        "program's input.",
    )
    sequence: tuple[Annotated[str, AfterValidator(_hex_text)], ...] | None = Field(
        default=None, description="The inputs themselves, in hexadecimal digits."
    )
    repeat: bool = Field(
        default=False,
        description="Begin again after the last input; otherwise there must be one for each frame.",
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the file, filled in when the scenario is loaded: a run that is "
        "resumed refuses a file that has changed.",
    )

    @property
    def file(self) -> str | None:
        """Return the name of the file with the inputs; None if they are in the scenario."""
        return self.hex if self.raw is None else self.raw

    @model_validator(mode="after")
    def _consistent(self) -> ExecInputConfig:
        findings = Findings()
        values = (self.hex, self.raw, self.sequence)
        given = [n for n, value in zip(_SOURCES, values, strict=True) if value is not None]
        if len(given) != 1:
            named = f"{' and '.join(given)} are given" if given else "no inputs are given"
            findings.add((), f"{named}; expected {one_of(_SOURCES)}")
        if self.sequence is not None:
            if not self.sequence:
                findings.add("sequence", "there is no input in it; expected at least one")
            for index, text in enumerate(self.sequence):
                if len(text) != len(self.sequence[0]):
                    findings.add(
                        ("sequence", index),
                        f"an input of {len(text) // 2} bytes; expected "
                        f"{len(self.sequence[0]) // 2}, as the first one has",
                    )
            if self.sha256 is not None:
                findings.add("sha256", "there is no file", "remove it")
        wrong_at("ExecInput", findings)
        return self


class ExecConfig(FrozenModel):
    """A program that computes the steps of the workload `exec`."""

    @model_validator(mode="after")
    def _consistent(self) -> ExecConfig:
        findings = Findings()
        if self.golden_sha256 is not None and self.golden is GoldenSource.HOST:
            findings.add("golden_sha256", "no golden run is recorded", "write `golden: recorded`")
        wrong_at("Exec", findings)
        return self

    program: ProgramName = Field(
        description="Its name in the lists of the boards' agents (--exec) and, for process boards "
        "and the reference, of this computer ($HIL_EXEC)."
    )
    init_s: Annotated[Float, Field(ge=0.1, le=600)] = Field(
        default=10.0,
        description="The time in which a program that was started must be ready for its first "
        "frame, such as for loading an engine.",
    )
    golden: GoldenWord = Field(
        default=GoldenSource.HOST,
        description="What says which results are right: host, the program of this computer; or "
        "recorded, a fault-free run on the boards before this one, for programs of which this "
        "computer cannot compute the same bits.",
    )
    golden_sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the golden run that was recorded (golden.bin of the run folder), "
        "filled in by the run; a scenario that has it refuses boards that compute another.",
    )
    input: ExecInputConfig | None = Field(
        default=None, description="What each frame is given; default: random bytes from the seed."
    )
    fields: OutputFieldsConfig = Field(
        default=(),
        description="The fields of the output: name, type and unit; default: only its bytes are "
        "known.",
    )

"""The change of bits by an upset, as a scenario writes it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from hil.scenario.fields import FrozenModel, Int
from hil.scenario.problems import Findings, wrong_at
from hil.scenario.words import KindWord, PatternKind

__all__ = ["PatternConfig"]

_WORD_WIDTHS = (8, 16, 32, 64)
_DEFAULT_WIDTH = {
    PatternKind.BIT: 1,
    PatternKind.ADJACENT: 2,
    PatternKind.STUCK: 1,
    PatternKind.ZERO_WORD: 32,
    PatternKind.RANDOM_WORD: 32,
}


class PatternConfig(FrozenModel):
    """The change of bits by an upset. In a file, the kind alone is enough."""

    kind: KindWord = Field(description="What happens to the bits.")
    width: Int = Field(
        default=1, description="adjacent: 2 to 64 bits (2); *_word: 8, 16, 32 or 64 bits (32)."
    )
    value: Annotated[Int, Field(ge=0, le=2**64 - 1)] | None = Field(
        default=None,
        description="stuck: 0 or 1 (1); random_word: the new value, drawn from the seed if absent.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"kind": data}
        if isinstance(data, dict) and data.get("kind") in list(PatternKind):
            kind = PatternKind(data["kind"])
            data = {"width": _DEFAULT_WIDTH[kind], **data}
            if kind is PatternKind.STUCK:
                data = {"value": 1, **data}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> PatternConfig:
        findings = Findings()
        if self.kind is PatternKind.ADJACENT:
            fits, expected = 2 <= self.width <= 64, "2 to 64 bits"
        elif self.kind in (PatternKind.ZERO_WORD, PatternKind.RANDOM_WORD):
            fits, expected = self.width in _WORD_WIDTHS, "8, 16, 32 or 64 bits"
        else:
            fits, expected = self.width == 1, "none, as it is always one bit"
        if not fits:
            findings.add("width", f"width {self.width} for `{self.kind}`; expected {expected}")
        if self.kind is PatternKind.STUCK:
            if self.value not in (0, 1):
                findings.add("value", f"a bit cannot be stuck at {self.value}", "use 0 or 1")
        elif self.kind is not PatternKind.RANDOM_WORD:
            if self.value is not None:
                findings.add("value", f"`{self.kind}` takes no value", "remove it")
        elif self.value is not None and fits and self.value >= 1 << self.width:
            findings.add(
                "value", f"{self.value} does not fit {self.width} bits", "use a wider word"
            )
        wrong_at("Pattern", findings)
        return self

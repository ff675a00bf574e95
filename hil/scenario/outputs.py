"""The outputs of the shipped workloads: what their bytes mean.

A field is a number, or several of one type; integers are little-endian, floating-point numbers are
those of IEEE 754. Workloads that are not here have outputs of which nothing is known but the
bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.word_enum import Word

__all__ = [
    "CHOICES",
    "NUMBERS",
    "NUMBER_TYPES",
    "OutputField",
    "OutputRole",
    "bare_name",
    "output_fields",
]

_FORMATS: Final = {
    "u8": "B",
    "i8": "b",
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "i32": "i",
    "u64": "Q",
    "i64": "q",
    "f32": "f",
    "f64": "d",
}

NUMBER_TYPES: Final = tuple(_FORMATS)
"""The types of numbers in outputs."""

_SIGNIFICANT_BITS: Final = {"f32": 24, "f64": 53}


class OutputRole(Word):
    """The meaning of a field to the receiver: a measure; a measure that is watched over the run,
    such as a loss; the class that a classifier has chosen, its score for each class; a character
    (its ASCII code) of a text, one in each frame; or bits without an order, such as a hash."""

    VALUE = "value"
    CURVE = "curve"
    TEXT = "text"
    CLASS = "class"
    SCORES = "scores"
    BITS = "bits"


NUMBERS: Final = frozenset({OutputRole.VALUE, OutputRole.CURVE, OutputRole.SCORES})
"""The roles of fields whose values may be more or less wrong."""
CHOICES: Final = frozenset({OutputRole.CLASS, OutputRole.TEXT})
"""The roles of fields whose value is one of several, right or wrong."""


@dataclass(frozen=True, slots=True)
class OutputField:
    """One field of an output: `count` numbers of a type in `NUMBER_TYPES` from byte `offset` on.
    `unit` is empty for plain numbers; of fixed-point numbers `fraction_bits` are behind the point.
    `period`, in the unit: values that differ by it are the same, as 0 and 360 degrees are; 0 for
    all others."""

    name: str
    type: str
    offset: int
    count: int = 1
    unit: str = ""
    role: OutputRole = OutputRole.VALUE
    fraction_bits: int = 0
    period: float = 0.0

    @property
    def significant_bits(self) -> int:
        """Return the bits of the fraction of a floating-point number, 0 for integers."""
        return _SIGNIFICANT_BITS.get(self.type, 0)

    @property
    def length(self) -> int:
        """Return its length in bytes."""
        return struct.calcsize(self._format)

    @property
    def _format(self) -> str:
        return f"<{self.count}{_FORMATS[self.type]}"

    def values(self, output: bytes) -> tuple[float, ...]:
        """Return its numbers in an output, in its unit. Raises: struct.error if the output is
        shorter."""
        numbers = self.numbers(output)
        if not self.fraction_bits:
            return numbers
        return tuple(number / (1 << self.fraction_bits) for number in numbers)

    def numbers(self, output: bytes) -> tuple[float, ...]:
        """Return its numbers in an output as they are stored, fixed-point ones as integers. Raises:
        struct.error if the output is shorter."""
        return struct.unpack_from(self._format, output, self.offset)

    def encode(self, numbers: Sequence[float]) -> bytes:
        """Return the bytes of the field with these numbers, as they are stored. Raises:
        struct.error, OverflowError if one is out of the range of its type."""
        return struct.pack(self._format, *numbers)


_TRAINING: Final = (
    OutputField("loss", "u32", 0, 1, "nat", OutputRole.CURVE, 16),
    OutputField("right", "u32", 4),
    OutputField("held_out_loss", "u32", 8, unit="nat", fraction_bits=16),
    OutputField("class", "u32", 12, role=OutputRole.CLASS),
    OutputField("logits", "i32", 16, 10, role=OutputRole.SCORES, fraction_bits=16),
    OutputField("squared_change", "u64", 56, fraction_bits=32),
    OutputField("weights", "u64", 64, role=OutputRole.BITS),
    OutputField("steps", "u64", 72),
    OutputField("counters", "u32", 80, 2),
)
"""The outputs of train and its variants (csrc/kernel/workloads/train_step.h)."""

_REAL_CLASSIFIER: Final = (
    OutputField("class", "u32", 0, role=OutputRole.CLASS),
    OutputField("logits", "f32", 4, 10, "nat", OutputRole.SCORES),
)

_FIELDS: Final[Mapping[str, tuple[OutputField, ...]]] = {
    "attitude": (
        OutputField("quaternion", "f64", 0, 4),
        OutputField("gyro_bias", "f64", 32, 3, "rad/s"),
    ),
    "sha256": (OutputField("hash", "u8", 0, 32, role=OutputRole.BITS),),
    "infer": (
        OutputField("class", "u32", 0, role=OutputRole.CLASS),
        OutputField("logits", "i32", 4, 10, role=OutputRole.SCORES),
    ),
    "matmul": (OutputField("mixed_sums", "u32", 0, 16, role=OutputRole.BITS),),
    "archive": (OutputField("lanes", "u64", 0, 4, role=OutputRole.BITS),),
    "mekf": (
        OutputField("quaternion", "f64", 0, 4),
        OutputField("gyro_bias", "f64", 32, 3, "rad/s"),
        OutputField("mean_variance", "f64", 56, 1, "rad2"),
    ),
    "fft": (OutputField("band_power", "u32", 0, 32),),
    "qsort": (OutputField("keys", "u32", 0, 64),),
    "aes128": (OutputField("ciphertext", "u8", 0, 128, role=OutputRole.BITS),),
    "crc32": (
        OutputField("crc", "u32", 0, 2, role=OutputRole.BITS),
        OutputField("steps", "u64", 8),
    ),
    "train": _TRAINING,
    "train+recheck": _TRAINING,
    "train+rollback": _TRAINING,
    "lm": (
        OutputField("character", "u32", 0, role=OutputRole.TEXT),
        OutputField("surprisal", "u32", 4, 1, "bit", OutputRole.CURVE, 15),
        OutputField("place", "u32", 8, role=OutputRole.BITS),
        OutputField("of_prompt", "u32", 12, role=OutputRole.BITS),
    ),
    "dense-int8": (
        OutputField("class", "u32", 0, role=OutputRole.CLASS),
        OutputField("logits", "i32", 4, 10, "nat", OutputRole.SCORES, 16),
    ),
    "dense-bf16": _REAL_CLASSIFIER,
    "dense-fp16": _REAL_CLASSIFIER,
    "dense-fp32": _REAL_CLASSIFIER,
}


def output_fields(workload: str) -> tuple[OutputField, ...]:
    """Return the fields of a workload's output; empty if they are not known. NAME+PROTECTION has
    those of NAME."""
    return _FIELDS.get(bare_name(workload), ())


def bare_name(workload: str) -> str:
    """Return the name of a workload without its protection: NAME of NAME+PROTECTION."""
    return workload.partition("+")[0]

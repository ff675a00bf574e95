"""Every bit of every weight of a model, flipped, and what that does to the model as a whole.

A campaign of one step judges one output. Here each flip meets many images, and what is judged is
the loss over all of them: the mean of -log p(label), where p is the softmax of the logits [nat]. A
flip breaks the model if the loss rises by more than 0.05, or is no number. That is the criterion by
which number formats were compared elsewhere, on weights drawn at random; here there is no draw. The
steps are those of the workload itself, in this process, with its own check and repair, where it has
one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.campaign.input_bench import InputBench
from hil.errors import UsageError
from hil.json_values import JsonObject
from hil.kernel import Golden
from hil.random_streams import stream
from hil.scenario.models import BitRole, ModelLayout, model_of
from hil.scenario.outputs import OutputRole, output_fields

__all__ = [
    "BROKEN_RISE",
    "DRAWN",
    "BitGroup",
    "WeightFlips",
    "bit_groups",
    "flip_weights",
    "mean_loss",
]

BROKEN_RISE: Final = 0.05
"""A model whose loss rises by more is broken [nat]."""

DRAWN: Final = 40
"""Weights that are drawn for each bit, beside all of them: as many as elsewhere."""

_DTYPES: Final = {"i32": "<i4", "f32": "<f4"}
_PART: Final = 16  # weights between two reports
_BYTE_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class WeightFlips:
    """The effects of all flips of weights. `loss`: without a flip, over `images` images, of which
    `right` are classified rightly; `rise`: for each (weight, bit) how much the loss rises, NaN if
    it is no number then."""

    workload: str
    layout: ModelLayout
    seed: int
    images: int
    loss: float
    right: int
    rise: npt.NDArray[np.float64]

    @property
    def broken(self) -> npt.NDArray[np.bool_]:
        """Return for each (weight, bit) whether its flip breaks the model."""
        with np.errstate(invalid="ignore"):
            return np.isnan(self.rise) | (self.rise > BROKEN_RISE)

    def as_json(self) -> JsonObject:
        """Return the result as a JSON object; `by_bit`: how many weights each bit breaks the model
        of, from bit 0 on."""
        return {
            "workload": self.workload,
            "format": self.layout.format.name,
            "weights": self.layout.weights,
            "seed": self.seed,
            "images": self.images,
            "loss": self.loss,
            "right": self.right,
            "groups": [group.as_json() for group in bit_groups(self)],
            "by_bit": [int(count) for count in self.broken.sum(axis=0)],
        }


@dataclass(frozen=True, slots=True)
class BitGroup:
    """The flips of the bits of one role in all weights: `broken` of `flips` break the model, `nan`
    of them because the loss is no number; of `drawn` ones, 40 weights for each bit, `drawn_broken`.
    `worst_rise`: the largest rise that is a number [nat]."""

    role: BitRole
    bits: tuple[int, ...]
    flips: int
    broken: int
    nan: int
    drawn: int
    drawn_broken: int
    worst_rise: float

    def as_json(self) -> JsonObject:
        """Return the group as a JSON object."""
        return {
            "role": self.role.value,
            "bits": list(self.bits),
            "flips": self.flips,
            "broken": self.broken,
            "nan": self.nan,
            "drawn": self.drawn,
            "drawn_broken": self.drawn_broken,
            "worst_rise": self.worst_rise,
        }


def bit_groups(flips: WeightFlips) -> list[BitGroup]:
    """Return the flips by the role of the bit, from the sign down."""
    number_format, rise, broken = flips.layout.format, flips.rise, flips.broken
    random = stream(flips.seed, f"weights of {flips.workload}")
    drawn = {
        bit: [random.below(flips.layout.weights) for _ in range(DRAWN)]
        for bit in range(number_format.bits)
    }
    groups = []
    for role in BitRole:
        bits = tuple(b for b in range(number_format.bits) if number_format.role(b) is role)
        if bits:
            chosen = rise[:, bits]
            finite = chosen[np.isfinite(chosen)]
            hits = [bool(broken[weight, bit]) for bit in bits for weight in drawn[bit]]
            counts = (chosen.size, int(broken[:, bits].sum()), int(np.isnan(chosen).sum()))
            worst = float(finite.max()) if finite.size else 0.0
            groups.append(BitGroup(role, bits, *counts, len(hits), sum(hits), worst))
    return groups


def flip_weights(
    workload: str,
    seed: int,
    images: int,
    workers: int,
    report: Callable[[int, int], None] = lambda _done, _all: None,
) -> WeightFlips:
    """Flip each bit of each weight of `workload`, on the inputs of its first `images` frames, with
    `workers` threads. `report` gets how many weights are done, of how many.

    Raises: UsageError if it is no model whose weights are known; KernelError."""
    layout = model_of(workload)
    if layout is None:
        raise UsageError(
            f"{workload} is no model whose weights are known",
            remedy="name one with --workload: dense-int8, dense-bf16, dense-fp16, dense-fp32, or "
            "one of these with a protection",
        )
    golden = Golden(workload, seed)
    state = golden.state
    inputs = b"".join(golden.input_of(frame) for frame in range(images))
    labels = np.frombuffer(inputs, np.uint8).reshape(images, -1)[:, layout.label_at]
    loss, right = mean_loss(workload, InputBench(workload).outputs(state, inputs), labels)
    rise = np.empty((layout.weights, layout.format.bits))
    done = 0

    def flip_part(first: int) -> int:
        bench = InputBench(workload)
        end = min(first + _PART, layout.weights)
        for weight in range(first, end):
            for bit in range(layout.format.bits):
                hit = bytearray(state)
                at = layout.offset * _BYTE_BITS + weight * layout.format.bits + bit
                hit[at // _BYTE_BITS] ^= 1 << at % _BYTE_BITS
                rise[weight, bit] = (
                    mean_loss(workload, bench.outputs(hit, inputs), labels)[0] - loss
                )
        return end - first

    with ThreadPoolExecutor(workers) as pool:
        for count in pool.map(flip_part, range(0, layout.weights, _PART)):
            done += count
            report(done, layout.weights)
    return WeightFlips(workload, layout, seed, images, loss, right, rise)


def mean_loss(workload: str, outputs: bytes, labels: npt.NDArray[np.uint8]) -> tuple[float, int]:
    """Return the mean of -log p(label) over outputs that lie one after the other [nat], and how
    many have the right class. The loss is NaN if a logit is NaN, or the largest is infinite."""
    fields = output_fields(workload)
    scores = next(f for f in fields if f.role is OutputRole.SCORES)
    chosen = next(f for f in fields if f.role is OutputRole.CLASS)
    rows = np.frombuffer(outputs, np.uint8).reshape(len(labels), -1)
    raw = np.ascontiguousarray(rows[:, scores.offset : scores.offset + scores.length])
    logits = raw.view(_DTYPES[scores.type]).astype(np.float64) / 2.0**scores.fraction_bits
    classes = np.ascontiguousarray(rows[:, chosen.offset : chosen.offset + 4]).view("<u4")[:, 0]
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = logits - logits.max(axis=1, keepdims=True)
        picked = shifted[np.arange(len(labels)), labels]
        loss = float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - picked))
    return loss, int((classes == labels).sum())

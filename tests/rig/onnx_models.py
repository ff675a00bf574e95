"""Small ONNX models, written without the package onnx: a convolutional net and a transformer."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "SEED_INPUT",
    "conv_net",
    "hidden_weights",
    "random_numbers",
    "scalar_input",
    "size_by_value",
    "texts",
    "transformer",
    "with_operator",
]

SEED_INPUT = 8
"""[byte] The input of a frame."""

FLOAT, INT64, STRING, BOOL = 1, 7, 8, 9
BF16 = 16
OPSET = 17


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= 2**64 - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def tensor(name: str, array: np.ndarray[Any, Any], *, raw: bool = True) -> bytes:
    """A TensorProto; without `raw` its numbers stand in the field of their type."""
    kind = {"f": FLOAT, "i": INT64}[array.dtype.kind]
    dims = b"".join(_number(1, size) for size in array.shape)
    if raw:
        data = _bytes(9, array.astype("<f4" if kind == FLOAT else "<i8").tobytes())
    elif kind == FLOAT:
        data = _bytes(4, array.astype("<f4").tobytes())
    else:
        data = _bytes(7, b"".join(_varint(int(v)) for v in array.ravel()))
    return dims + _number(2, kind) + data + _bytes(8, name)


class Graph(NamedTuple):
    """A GraphProto as an attribute."""

    message: bytes


def node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> bytes:
    out = b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(4, operator)
    for name, value in attributes.items():
        if isinstance(value, float):
            body = _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
        elif isinstance(value, int):
            body = _number(3, value) + _number(20, 2)
        elif isinstance(value, Graph):
            body = _bytes(6, value.message) + _number(20, 5)
        elif isinstance(value, bytes):  # a tensor
            body = _bytes(5, value) + _number(20, 4)
        else:
            body = b"".join(_number(8, v) for v in value) + _number(20, 7)
        out += _bytes(5, _bytes(1, name) + body)
    return out


def _value(name: str, kind: int, shape: Sequence[int]) -> bytes:
    """A ValueInfoProto; a dimension of 0 is not known before."""
    dims = b"".join(_bytes(1, _number(1, size) if size else b"") for size in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def model(
    nodes: Sequence[bytes],
    weights: dict[str, np.ndarray[Any, Any]],
    given: tuple[str, int, Sequence[int]],
    result: tuple[str, int, Sequence[int]],
    more: bytes = b"",
) -> bytes:
    graph = b"".join(_bytes(1, one) for one in nodes) + _bytes(2, "g")
    for number, (name, array) in enumerate(weights.items()):
        graph += _bytes(5, tensor(name, array, raw=number % 2 == 0))
    graph += more + _bytes(11, _value(*given)) + _bytes(12, _value(*result))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, OPSET))


def _drawn(seed: int, *shape: int) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(seed).uniform(-0.5, 0.5, shape)
    return values.astype("<f4")


def conv_net(path: Path) -> Path:
    """Convolution, rectifier, pooling, dense: 8 x 8 values to ten."""
    weights = {
        "conv.weight": _drawn(1, 8, 1, 3, 3),
        "conv.bias": _drawn(2, 8),
        "dense.weight": _drawn(3, 72, 10),
        "dense.bias": _drawn(4, 10),
    }
    nodes = [
        node("Conv", ["x", "conv.weight", "conv.bias"], "c", kernel_shape=[3, 3]),
        node("Relu", ["c"], "r"),
        node("MaxPool", ["r"], "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], "f"),
        node("Gemm", ["f", "dense.weight", "dense.bias"], "y"),
    ]
    path.write_bytes(model(nodes, weights, ("x", FLOAT, [1, 1, 8, 8]), ("y", FLOAT, [1, 10])))
    return path


def transformer(path: Path) -> Path:
    """One block with one head: eight of 16 tokens to their 16 scores each."""
    d = 16
    square = ["q", "k", "v", "o", "head"]
    weights = {"embed": _drawn(1, 16, d), "place": _drawn(2, 8, d)}
    weights |= {f"{name}.weight": _drawn(3 + i, d, d) for i, name in enumerate(square)}
    weights |= {"up.weight": _drawn(8, d, 32), "down.weight": _drawn(9, 32, d)}
    for name in ("norm1", "norm2"):
        weights |= {f"{name}.scale": np.ones(d, "<f4"), f"{name}.bias": np.zeros(d, "<f4")}
    nodes = [
        node("Gather", ["embed", "tokens"], "e"),
        node("Add", ["e", "place"], "x"),
        *(node("MatMul", ["x", f"{n}.weight"], n) for n in ("q", "k", "v")),
        node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], "s"),
        node("Softmax", ["s"], "a", axis=-1),
        node("MatMul", ["a", "v"], "m"),
        node("MatMul", ["m", "o.weight"], "mo"),
        node("Add", ["x", "mo"], "x1"),
        node("LayerNormalization", ["x1", "norm1.scale", "norm1.bias"], "n1", axis=-1),
        node("MatMul", ["n1", "up.weight"], "u"),
        node("Relu", ["u"], "ur"),
        node("MatMul", ["ur", "down.weight"], "w"),
        node("Add", ["n1", "w"], "x2"),
        node("LayerNormalization", ["x2", "norm2.scale", "norm2.bias"], "n2", axis=-1),
        node("MatMul", ["n2", "head.weight"], "scores"),
    ]
    given, result = ("tokens", INT64, [1, 8]), ("scores", FLOAT, [1, 8, 16])
    path.write_bytes(model(nodes, weights, given, result))
    return path


def with_operator(path: Path, operator: str) -> Path:
    """A model of one operator, which may not exist."""
    nodes = [node(operator, ["x"], "y")]
    path.write_bytes(model(nodes, {}, ("x", FLOAT, [1, 4]), ("y", FLOAT, [1, 4])))
    return path


# --- models that are not as a convolutional net is -----------------------------------------------


def hidden_weights(path: Path) -> Path:
    """Four values times a constant, plus bf16 numbers, plus what one of two bodies of If holds.
    The two bodies have a weight of the same name."""
    bf16 = _number(1, 4) + _number(2, BF16) + _bytes(9, bytes.fromhex("803f0040803f0040"))
    bodies = {}
    for number, branch in enumerate(("then_branch", "else_branch")):
        held = {f"only.{number}": _drawn(20 + number, 4), "both": _drawn(22 + number, 4)}
        graph = _bytes(1, node("Add", [f"only.{number}", "both"], f"b{number}"))
        graph += _bytes(2, branch) + b"".join(_bytes(5, tensor(*one)) for one in held.items())
        bodies[branch] = Graph(graph + _bytes(12, _value(f"b{number}", FLOAT, [4])))
    nodes = [
        node("Constant", [], "held", value=tensor("", _drawn(19, 4, 4))),
        node("MatMul", ["x", "held"], "m"),
        node("Cast", ["brain"], "wide", to=FLOAT),
        node("Add", ["m", "wide"], "a"),
        node("ReduceSum", ["x"], "sum", keepdims=0),
        node("Less", ["sum", "sum"], "never"),
        node("If", ["never"], "body", **bodies),
        node("Add", ["a", "body"], "y"),
    ]
    more = _bytes(5, bf16 + _bytes(8, "brain"))
    message = model(nodes, {}, ("x", FLOAT, [4]), ("y", FLOAT, [4]), more)
    path.write_bytes(message)
    return path


def scalar_input(path: Path) -> Path:
    """A number without dimensions, plus four."""
    nodes = [node("Add", ["x", "four"], "y")]
    message = model(nodes, {"four": _drawn(1, 4)}, ("x", FLOAT, []), ("y", FLOAT, [4]))
    path.write_bytes(message)
    return path


def free_sizes(path: Path) -> Path:
    """A product whose input has no sizes, and needs eight columns."""
    nodes = [node("MatMul", ["x", "w"], "y")]
    message = model(nodes, {"w": _drawn(3, 8, 8)}, ("x", FLOAT, [0, 0]), ("y", FLOAT, [0, 8]))
    path.write_bytes(message)
    return path


def random_numbers(path: Path) -> Path:
    """Four values, each time others."""
    nodes = [node("RandomNormalLike", ["x"], "y")]
    path.write_bytes(model(nodes, {}, ("x", FLOAT, [4]), ("y", FLOAT, [4])))
    return path


def texts(path: Path) -> Path:
    """Four values as texts."""
    nodes = [node("Cast", ["x"], "y", to=STRING)]
    path.write_bytes(model(nodes, {}, ("x", FLOAT, [4]), ("y", STRING, [4])))
    return path


def size_by_value(path: Path) -> Path:
    """The places of those of 64 values that are above zero: as many numbers as there are."""
    nodes = [node("Relu", ["x"], "r"), node("NonZero", ["r"], "y")]
    path.write_bytes(model(nodes, {}, ("x", FLOAT, [64]), ("y", INT64, [1, 0])))
    return path

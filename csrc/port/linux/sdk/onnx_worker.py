"""An ONNX model as a worker (`workload: exec` or `workload: {onnx: FILE}`) that names its weights.

    HIL_EXEC="onnx=/usr/bin/python3,$PWD/onnx_worker.py,/path/model.onnx" hil run scenario.yaml
    onnx_worker.py model.onnx --check       says in a line what is wrong with it, or what it is

It needs onnxruntime and NumPy, and hil_worker.py beside it. The runtime has one thread, rewrites
nothing of the graph, keeps no second copy of the weights, and computes with the memory that is
named: a bit that is flipped there is a bit of the model.

The input of a frame is 8 bytes. They choose a row of the arrays in `--inputs FILE.npz` (one for
each input of the model, by its name, with the frames as first dimension), or, without that, values
for all inputs: floats from -1 to 1, integers from 0 up to `--below` (16).
SPDX-License-Identifier: Apache-2.0"""

# ruff: noqa: PLC0415  (imports in functions: what is missing is said in a sentence)

from __future__ import annotations

import argparse
import hashlib
import re
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

OUTPUT_MAX = 65536
REGIONS_MAX = 256
REGION_BYTES_MAX = 64 << 20

# --- the weights in the file ---------------------------------------------------------------------

# TensorProto.DataType: the NumPy type, and the word for a region.
TYPES = {
    1: ("<f4", "fp32"),
    2: ("u1", "uint8"),
    3: ("i1", "int8"),
    4: ("<u2", "uint16"),
    5: ("<i2", "int16"),
    6: ("<i4", "int32"),
    7: ("<i8", "int64"),
    9: ("?", "bool"),
    10: ("<f2", "fp16"),
    11: ("<f8", "fp64"),
    12: ("<u4", "uint32"),
    13: ("<u8", "uint64"),
    16: ("<u2", "bf16"),
}
STRING, BF16 = 8, 16
MODEL_GRAPH, GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 7, 1, 5, 15
NODE_OUTPUT, NODE_OPERATOR, NODE_ATTRIBUTE = 2, 4, 5
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 5, 6, 11
DIMS, DATA_TYPE, FLOATS, INT32S, INT64S, NAME, RAW, DOUBLES, UINT64S, LOCATION = (
    *(1, 2, 4, 5, 7, 8, 9, 10, 11, 14),
)


class Tensor(NamedTuple):
    """A weight of the model: its name, and its content as an array; none if it cannot be named."""

    name: str
    array: Any
    element: str


def fail(why: str) -> NoReturn:
    """End with a sentence about the model."""
    sys.exit(why)


def fields(data: memoryview) -> list[tuple[int, Any]]:
    """Return number and value of each field of a protobuf message.

    Raises: ValueError, IndexError."""
    out: list[tuple[int, Any]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value
            if shift > 63:
                raise ValueError("a number is too long")

    while at < len(data):
        key = varint()
        number, kind = key >> 3, key & 7
        if kind == 0:
            out.append((number, varint()))
            continue
        length = varint() if kind == 2 else {1: 8, 5: 4}.get(kind, -1)
        if not 0 <= length <= len(data) - at:
            raise ValueError("a field is longer than the file")
        out.append((number, data[at : at + length]))
        at += length
    return out


def packed(message: list[tuple[int, Any]], number: int, form: str) -> bytes:
    """Return repeated values of a message as the bytes of an array of this type."""
    out = bytearray()
    for of, value in message:
        if of != number:
            continue
        if not isinstance(value, memoryview):
            out += struct.pack(form, value if value < 1 << 63 else value - (1 << 64))
        elif form in ("<f", "<d"):
            out += value
        else:
            for _, one in fields_of_varints(value):
                out += struct.pack(form, one if one < 1 << 63 else one - (1 << 64))
    return bytes(out)


def fields_of_varints(data: memoryview) -> list[tuple[int, int]]:
    """Return the numbers of a packed field."""
    out: list[tuple[int, int]] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            out.append((0, value))
            value = shift = 0
    return out


def tensor_of(data: memoryview) -> Tensor | None:
    """Return a tensor; None for one that is empty, or of texts. Its content is an array of its own,
    or missing if its type has no name here."""
    import numpy as np

    message = fields(data)
    numbers = {number: value for number, value in message if not isinstance(value, memoryview)}
    texts = {number: value for number, value in message if isinstance(value, memoryview)}
    name = bytes(texts.get(NAME, b"")).decode("utf-8", "replace")
    if numbers.get(LOCATION, 0):
        fail(f"the weights `{name}` are in a file of their own: save the model as one file")
    shape = (
        struct.unpack(f"<{len(dims) // 8}q", dims) if (dims := packed(message, DIMS, "<q")) else ()
    )
    kind = numbers.get(DATA_TYPE, 0)
    if 0 in shape or kind == STRING:
        return None
    form, element = TYPES.get(kind, ("", ""))
    if not form:
        return Tensor(name, None, "")
    if RAW in texts:
        array = np.frombuffer(bytes(texts[RAW]), form)
    else:
        kinds = {"<f4": (FLOATS, "<f"), "<f8": (DOUBLES, "<d"), "<i8": (INT64S, "<q")}
        number, wide = kinds.get(form, (INT32S, "<i"))
        if form in ("<u4", "<u8"):
            number, wide = UINT64S, "<q"
        array = np.frombuffer(
            packed(message, number, wide), wide.replace("f", "f4").replace("d", "f8")
        )
        array = array.astype("<u2").view("<f2") if form == "<f2" else array.astype(form)
    return Tensor(name, np.array(array.reshape(shape)), element)


def tensors_in(graph: memoryview) -> list[Tensor]:
    """Return the weights of a graph: its initializers, its constants, and those of the graphs in
    its nodes (bodies of If and Loop)."""
    found: list[Tensor | None] = []
    for number, value in fields(graph):
        if number == GRAPH_INITIALIZER:
            found.append(tensor_of(value))
        elif number == GRAPH_SPARSE:
            found.append(Tensor("", None, ""))
        elif number == GRAPH_NODE:
            node = fields(value)
            output = next(
                (bytes(of).decode("utf-8", "replace") for at, of in node if at == NODE_OUTPUT), ""
            )
            constant = any(at == NODE_OPERATOR and bytes(of) == b"Constant" for at, of in node)
            for at, content in [
                inner for at, of in node if at == NODE_ATTRIBUTE for inner in fields(of)
            ]:
                if at in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                    found += tensors_in(content)
                elif at == ATTRIBUTE_TENSOR and constant:
                    tensor = tensor_of(content)
                    found.append(None if tensor is None else tensor._replace(name=output))
    return [tensor for tensor in found if tensor is not None]


def tensors_of(path: Path) -> list[Tensor]:
    """Return the weights of a model. One whose name another has, in another graph, cannot be given
    to the runtime by that name, and has no content here."""
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        fail(f"it cannot be read: {error.strerror}")
    try:
        graphs = [value for number, value in fields(data) if number == MODEL_GRAPH]
        found = [tensor for graph in graphs for tensor in tensors_in(graph)]
    except (ValueError, IndexError, TypeError, struct.error, AttributeError):
        graphs = []
        found = []
    if not graphs:
        fail("it is not an ONNX model, or is cut off")
    times = Counter(tensor.name for tensor in found)
    return [one if times[one.name] == 1 else one._replace(array=None) for one in found]


# --- the model -----------------------------------------------------------------------------------


class Model:
    """A model in onnxruntime, which computes with the arrays of `tensors`."""

    def __init__(self, path: Path, below: int, inputs: Path | None) -> None:
        try:
            import numpy as np
            import onnxruntime as ort
        except ImportError as error:
            fail(f"{error.name} is not installed here: pip install onnxruntime")
        self._np = np
        self.output_len = 0
        ort.set_default_logger_severity(4)
        with_bf16 = hasattr(ort.OrtValue, "ortvalue_from_numpy_with_onnx_type")
        found = tensors_of(path)
        self.tensors = [
            one for one in found if one.array is not None and (one.element != "bf16" or with_bf16)
        ]
        self.without_name = len(found) - len(self.tensors)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.use_deterministic_compute = True
        options.enable_mem_pattern = False
        options.log_severity_level = 4
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._values = [
            ort.OrtValue.ortvalue_from_numpy_with_onnx_type(t.array, BF16)
            if t.element == "bf16"
            else ort.OrtValue.ortvalue_from_numpy(t.array)
            for t in self.tensors
        ]
        for tensor, value in zip(self.tensors, self._values, strict=True):
            options.add_initializer(tensor.name, value)
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001  (the runtime has a class for each reason)
            operator = re.search(
                r"No Op registered for (\w+)|an implementation for (\w+)", str(error)
            )
            if operator:
                name = operator[1] or operator[2]
                fail(f"it uses the operator {name}, which onnxruntime {ort.__version__} lacks")
            fail(f"onnxruntime {ort.__version__} cannot run it: {reason_of(error)}")
        self._inputs = self._session.get_inputs()
        for one in self._session.get_outputs():
            if not one.type.startswith("tensor(") or one.type == "tensor(string)":
                fail(f"its output `{one.name}` is a {one.type}; expected a tensor of numbers")
        self._below = below
        self._rows = None if inputs is None else self._rows_of(inputs)
        self._runtime = f"onnxruntime {ort.__version__}"
        first = self.run(0)
        self.output_len = len(first)
        if not 1 <= self.output_len <= OUTPUT_MAX:
            fail(f"its outputs have {self.output_len} bytes; a worker has 1 to {OUTPUT_MAX}")
        if self.run(0) != first:
            fail("it computes the same input differently each time, as one that draws numbers does")
        self.run(1)

    def _rows_of(self, path: Path) -> dict[str, Any]:
        try:
            with self._np.load(path) as file:
                rows = {one.name: file[one.name] for one in self._inputs}
        except KeyError as error:
            fail(f"the inputs {path}: there is no array for the input {error}")
        except Exception as error:  # noqa: BLE001  (NumPy has others for each kind of a wrong file)
            fail(f"the inputs {path} cannot be read as an .npz file: {reason_of(error)}")
        if any(not array.ndim for array in rows.values()):
            fail(f"the inputs {path}: the first dimension of each array is that of the frames")
        if len({len(array) for array in rows.values()}) != 1 or not len(next(iter(rows.values()))):
            fail(f"the inputs {path}: every input of the model needs as many rows, one at least")
        return rows

    def _given(self, chosen: int) -> dict[str, Any]:
        """Return the inputs of a frame."""
        np = self._np
        if self._rows is not None:
            return {
                name: np.asarray(array[chosen % len(array)]) for name, array in self._rows.items()
            }
        given: dict[str, Any] = {}
        for number, one in enumerate(self._inputs):
            shape = [size if isinstance(size, int) and size > 0 else 1 for size in one.shape]
            count = int(np.prod(shape))
            stream = hashlib.shake_128(struct.pack("<QI", chosen, number)).digest(4 * count)
            raw = np.frombuffer(stream, "<u4").reshape(shape)
            kind = one.type.removeprefix("tensor(").removesuffix(")")
            if kind in ("float", "double", "float16"):
                floats = {"float": "f4", "double": "f8", "float16": "f2"}[kind]
                given[one.name] = np.asarray(raw.astype("f8") / 2**31 - 1, floats)
            elif kind in ("int64", "int32", "int8", "uint8"):
                given[one.name] = np.asarray(raw % self._below, kind)
            elif kind == "bool":
                given[one.name] = np.asarray(raw % 2 == 1)
            else:
                fail(f"its input `{one.name}` is a {one.type}: give `inputs: FILE.npz`")
        return given

    def run(self, chosen: int) -> bytes:
        """Return the bytes of all outputs, in their order."""
        given = self._given(chosen)
        try:
            outputs = self._session.run(None, given)
        except Exception as error:  # noqa: BLE001
            free = [one.name for one in self._inputs if not all(type(n) is int for n in one.shape)]
            why = ""
            if free and self._rows is None:
                why = f"dimensions of `{free[0]}` without a size are 1: give `inputs: FILE.npz`; "
            fail(f"{why}{self._runtime} cannot compute it: {reason_of(error)}")
        out = b"".join(self._np.ascontiguousarray(output).tobytes() for output in outputs)
        if len(out) != (self.output_len or len(out)):
            fail(
                f"its outputs have {len(out)} bytes with one input and {self.output_len} with "
                "another: the size of an output may not depend on values"
            )
        return out


def reason_of(error: Exception) -> str:
    """Return what the runtime says, in one line."""
    text = re.sub(r"\s+", " ", str(error)).strip()
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^Load model from .*? failed:", "", text)
    text = re.sub(r"/\S+\.(?:h|cc|cpp):\d+ .*?\) ", "", text)  # file and function of the runtime
    return text[:300]


# --- the worker ----------------------------------------------------------------------------------


def region_name(name: str, taken: set[str]) -> str:
    """Return the name of a weight as a region can have it, which no other has."""
    plain = re.sub(r"[^A-Za-z0-9_.:/-]", "_", name)[-31:] or "weights"
    number = 1
    unique = plain
    while unique in taken:
        number += 1
        unique = f"{plain[: 30 - len(str(number))]}:{number}"
    taken.add(unique)
    return unique


def chosen_tensors(tensors: list[Tensor]) -> list[Tensor]:
    """Return the weights that are regions: the largest, where there are too many."""
    by_size = sorted(tensors, key=lambda tensor: -tensor.array.nbytes)
    kept: list[Tensor] = []
    total = 0
    for tensor in by_size[:REGIONS_MAX]:
        if total + tensor.array.nbytes <= REGION_BYTES_MAX:
            kept.append(tensor)
            total += tensor.array.nbytes
    return [tensor for tensor in tensors if any(tensor is one for one in kept)]


def main() -> int:
    """Answer the agent; or check the model, and say what is wrong with it."""
    parser = argparse.ArgumentParser(description="an ONNX model as a worker of hil")
    parser.add_argument("model", type=Path)
    parser.add_argument("--inputs", type=Path, help="an .npz file with the inputs of all frames")
    parser.add_argument("--below", type=int, default=16, help="the bound of drawn integers")
    parser.add_argument("--check", action="store_true", help="do not compute; say what it is")
    asked = parser.parse_args()
    model = Model(asked.model, max(asked.below, 1), asked.inputs)
    named = chosen_tensors(model.tensors)
    total = sum(tensor.array.nbytes for tensor in named)
    if asked.check:
        print(f"{len(named)} weights with {total} bytes; output {model.output_len} bytes")
        left_out = len(model.tensors) - len(named)
        if left_out:
            print(
                f"{left_out} of its weights are no regions, and no upset hits them: regions have "
                f"{REGION_BYTES_MAX >> 20} MiB, and there are {REGIONS_MAX}, at most"
            )
        if model.without_name:
            print(
                f"{model.without_name} of its weights are no regions, and no upset hits them: they "
                "are sparse, of a type without a name here, or have the same name in two graphs"
            )
        if not named:
            print("it has no weights that are regions: upsets of `state` hit no number of its own")
        return 0
    import hil_worker

    worker = hil_worker.Worker(input_len=8, output_len=model.output_len)
    taken: set[str] = set()
    for tensor in named:
        name = region_name(tensor.name, taken)
        worker.region(name, tensor.array, use="weights", element=tensor.element)

    def step(_frame: int, state: bytes, data: bytes) -> tuple[bytes, bytes]:
        return state, model.run(struct.unpack("<Q", data)[0])

    worker.run(step)
    return 0


if __name__ == "__main__":
    sys.exit(main())

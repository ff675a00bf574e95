"""ONNX models as workloads: a convolutional net and a transformer on three process boards."""

from __future__ import annotations

import importlib.util
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hil.assets import sources_dir
from hil.cli import main
from hil.errors import ConfigError, SetupError
from hil.plant.footprint import footprint_of
from hil.record.reader import Reader
from hil.rig.onnx_program import check_onnx, model_programs
from hil.rig.program import golden_run
from hil.rig.program_options import ProgramOptions
from hil.scenario import Scenario, load_scenario

from ..rig.onnx_models import (
    conv_net,
    free_sizes,
    hidden_weights,
    random_numbers,
    scalar_input,
    size_by_value,
    texts,
    transformer,
    with_operator,
)

needs_runtime = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed"
)
pytestmark = pytest.mark.ptrace

WORKER = sources_dir() / "port/linux/sdk/onnx_worker.py"
Make = Callable[[Path], Path]


def scenario_in(folder: Path, model: Path, more: str = "") -> Path:
    path = folder / "own.yaml"
    path.write_text(
        f"workload: {{onnx: {model.name}}}\nframes: 16\n"
        f"rig: {{scheme: tmr, board: process}}\n{more}"
    )
    return path


def program_of(scenario: Scenario) -> ProgramOptions:
    return ProgramOptions(command=model_programs(scenario)["onnx"])


def run(path: Path, folder: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["run", str(path), "--no-tui", "-q", "--out", str(folder)])
    return int(ended.value.code or 0)


@needs_runtime
@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "hit", "effects", "weights"),
    [
        (conv_net, ("conv.weight", "dense.weight"), ("sdc", "latent"), 4 * (72 + 8 + 720 + 10)),
        (
            transformer,
            ("q.weight", "down.weight"),
            ("sdc", "sdc"),
            4 * (256 + 128 + 5 * 256 + 2 * 512 + 4 * 16),
        ),
    ],
    ids=["convolution", "transformer"],
)
def test_hit_weights_are_outvoted_and_healed(
    tmp_path: Path, make: Make, hit: tuple[str, str], effects: tuple[str, str], weights: int
) -> None:
    """The top exponent bit of the first weight of two tensors, on two nodes. The rectifier hides
    one in the convolutional net from the output, not from the vote on the state."""
    events = "".join(
        f"    - {{frame: {frame}, node: {node}, target: state, region: {name}, bit: 30}}\n"
        for frame, node, name in ((3, "b", hit[0]), (9, "c", hit[1]))
    )
    path = scenario_in(tmp_path, make(tmp_path / "model.onnx"), f"upsets:\n  events:\n{events}")
    assert run(path, tmp_path / "run") == 0
    with closing(Reader(tmp_path / "run")) as reader:
        rows = reader.rows("SELECT * FROM upsets ORDER BY id")
        repairs = reader.rows("SELECT * FROM repairs ORDER BY id")
    assert [(r["verified"], r["changed"], r["effect"], r["outcome"]) for r in rows] == [
        (1, 1, effect, "corrected") for effect in effects
    ]
    assert [r["detail"] for r in rows] == [
        f"{name}[{place}] bit 30"
        for name, place in zip(
            hit, ("0, 0, 0, 0" if make is conv_net else "0, 0", "0, 0"), strict=True
        )
    ]
    assert {r["space"] for r in rows} == {8 * (8 + weights)}
    assert [(r["action"], r["ok"], r["bytes_moved"]) for r in repairs] == [("resync", 1, 256)] * 2


@needs_runtime
@pytest.mark.parametrize("make", [conv_net, pytest.param(transformer, marks=pytest.mark.slow)])
def test_the_model_computes_with_the_memory_that_it_names(tmp_path: Path, make: Make) -> None:
    """Every tensor, one byte changed: the output is another, and is the old one again after."""
    scenario = load_scenario(scenario_in(tmp_path, make(tmp_path / "model.onnx")))
    golden = golden_run("exec:onnx", 1, program_of(scenario))
    initial = golden.state
    golden.step()
    right = golden.output
    assert len(golden.workload.regions) >= 4
    for region in golden.workload.regions:
        values = np.frombuffer(initial, "<f4", region.length // 4, region.offset)
        changed = bytearray(initial)
        changed[region.offset : region.offset + region.length] = (values + 2).tobytes()
        golden.resume(0, bytes(changed))
        golden.step()
        assert golden.output != right, region.name
    golden.resume(0, initial)
    golden.step()
    assert golden.output == right and golden.state[8:] == initial[8:]  # before: the frame's number


@needs_runtime
def test_a_dense_layer_computes_what_numpy_does(tmp_path: Path) -> None:
    """The weights in the file are those of the regions, and inputs of a file are chosen by row."""
    path = scenario_in(tmp_path, conv_net(tmp_path / "model.onnx"))
    given = np.random.default_rng(5).uniform(-1, 1, (3, 1, 1, 8, 8)).astype("<f4")
    np.savez(tmp_path / "inputs.npz", x=given)
    path.write_text(path.read_text().replace("model.onnx", "model.onnx, inputs: inputs.npz"))
    scenario = load_scenario(path)
    golden = golden_run("exec:onnx", 1, program_of(scenario))
    golden.step()
    weights = {
        r.name: np.frombuffer(golden.state, "<f4", r.length // 4, r.offset).reshape(r.shape)
        for r in golden.workload.regions
    }
    row = given[struct.unpack("<Q", golden.input)[0] % 3, 0, 0]
    windows = np.lib.stride_tricks.sliding_window_view(row, (3, 3))
    convolved = np.einsum("yxab,oab->oyx", windows, weights["conv.weight"][:, 0])
    active = np.maximum(convolved + weights["conv.bias"][:, None, None], 0)
    pooled = active.reshape(8, 3, 2, 3, 2).max(axis=(2, 4)).ravel()
    wanted = pooled @ weights["dense.weight"] + weights["dense.bias"]
    assert np.frombuffer(golden.output, "<f4") == pytest.approx(wanted, abs=1e-5)


@needs_runtime
def test_a_big_model_is_exposed_more_than_a_small_one(tmp_path: Path) -> None:
    bits = []
    for make in (conv_net, transformer):
        scenario = load_scenario(scenario_in(tmp_path, make(tmp_path / "model.onnx")))
        workload = golden_run("exec:onnx", 1, program_of(scenario)).workload
        weights = sum(region.length for region in workload.regions)
        voted = footprint_of(scenario, workload).hit_bits
        assert voted == 8 * (8 + weights + workload.input_len + workload.output_len)
        bits.append(voted)
    assert bits[1] > 3 * bits[0]


@needs_runtime
def test_weights_are_found_where_exporters_hide_them(tmp_path: Path) -> None:
    """In a constant, in bf16 and in a body of If: each is a region, and each that the model reads
    changes its output. What has one name in two graphs is said to be no region."""
    scenario = load_scenario(scenario_in(tmp_path, hidden_weights(tmp_path / "model.onnx")))
    (left_out,) = check_onnx(scenario)
    assert "2 of its weights are no regions, and no upset hits them" in left_out
    golden = golden_run("exec:onnx", 1, program_of(scenario))
    regions = {region.name: region for region in golden.workload.regions}
    assert {name: region.length for name, region in regions.items()} == {
        "held": 64,
        "brain": 8,
        "only.0": 16,
        "only.1": 16,
    }
    initial = golden.state
    golden.step()
    right = np.frombuffer(golden.output, "<f4")
    brain = regions["brain"].offset
    assert initial[brain : brain + 8].hex() == "803f0040803f0040"
    for name, top in (("held", 3), ("brain", 1), ("only.1", 3)):  # the byte with sign and exponent
        changed = bytearray(initial)
        changed[regions[name].offset + top] ^= 0x40
        golden.resume(0, bytes(changed))
        golden.step()
        assert np.frombuffer(golden.output, "<f4")[0] != right[0], name
    # 3F80 is 1.0 in bf16, 4000 is 2.0
    changed = bytearray(initial)
    changed[brain : brain + 2] = bytes.fromhex("0040")
    golden.resume(0, bytes(changed))
    golden.step()
    assert np.frombuffer(golden.output, "<f4") - right == pytest.approx([1, 0, 0, 0], abs=1e-5)


@needs_runtime
def test_an_input_may_be_a_number_without_dimensions(tmp_path: Path) -> None:
    check_onnx(load_scenario(scenario_in(tmp_path, scalar_input(tmp_path / "model.onnx"))))


@needs_runtime
def test_sizes_that_are_not_known_are_to_be_given_with_inputs(tmp_path: Path) -> None:
    scenario = load_scenario(scenario_in(tmp_path, free_sizes(tmp_path / "model.onnx")))
    with pytest.raises(ConfigError, match=r"dimensions of `x` .*give `inputs: FILE.npz`; onnxr"):
        check_onnx(scenario)


@needs_runtime
def test_a_model_without_weights_is_said_to_have_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scenario_in(tmp_path, with_operator(tmp_path / "model.onnx", "Relu"))
    with pytest.raises(SystemExit) as ended:
        main(["check", str(path)])
    assert not ended.value.code
    assert "warning: " in (said := capsys.readouterr().err)
    assert "it has no weights that are regions" in said


@needs_runtime
@pytest.mark.parametrize("kind", ["empty", "half", "flat", "missing"])
def test_inputs_that_cannot_be_used_are_said_in_a_sentence(tmp_path: Path, kind: str) -> None:
    path = scenario_in(tmp_path, conv_net(tmp_path / "model.onnx"))
    path.write_text(path.read_text().replace("model.onnx", "model.onnx, inputs: inputs.npz"))
    file = tmp_path / "inputs.npz"
    np.savez(file, x=np.zeros(() if kind == "flat" else 3))
    if kind == "missing":
        np.savez(file, z=np.zeros(3))
    file.write_bytes(file.read_bytes()[: {"empty": 0, "half": 90}.get(kind)])
    with pytest.raises(ConfigError) as error:
        check_onnx(load_scenario(path))
    said = {"flat": "the first dimension of each array", "missing": "there is no array"}
    assert said.get(kind, "cannot be read as an .npz file") in str(error.value)
    assert "Traceback" not in str(error.value)


# --- what cannot be used --------------------------------------------------------------------------


def test_a_missing_extra_is_said_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scenario_in(tmp_path, conv_net(tmp_path / "model.onnx"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="onnxruntime, which is not installed") as error:
        check_onnx(load_scenario(path))
    assert "onnxruntime" in (error.value.remedy or "")
    assert run(path, tmp_path / "run") == 3
    assert "onnxruntime" in capsys.readouterr().err


@needs_runtime
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", "it is not an ONNX model"),
        ("cut", "it is not an ONNX model, or is cut off"),
        ("operator", "it uses the operator NoSuchOp, which onnxruntime"),
        ("random", "it computes the same input differently each time"),
        ("texts", "its output `y` is a tensor(string); expected a tensor of numbers"),
        ("size", "the size of an output may not depend on values"),
        ("opset", "Opset 99 is under development"),
    ],
)
def test_a_model_that_cannot_be_used_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, said: str
) -> None:
    model = conv_net(tmp_path / "model.onnx")
    if kind == "text":
        model.write_text("weights\n")
    elif kind == "cut":
        model.write_bytes(model.read_bytes()[:2000])
    elif kind == "opset":
        model.write_bytes(model.read_bytes()[:-1] + bytes([99]))
    elif kind in ("random", "texts", "size"):
        {"random": random_numbers, "texts": texts, "size": size_by_value}[kind](model)
    else:
        with_operator(model, "NoSuchOp")
    path = scenario_in(tmp_path, model)
    assert run(path, tmp_path / "run") == 2
    message = capsys.readouterr().err
    assert said in message and "own.yaml:1:" in message and "Traceback" not in message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("workload: {onnx: missing.onnx}", "cannot read the model"),
        ("workload: {onnx: model.pb}", "expected NAME.onnx"),
        ("workload: missing.onnx", "cannot read the model"),
        ("workload: {onnx: model.onnx}\nexec: {program: net}", "write `program: onnx`"),
        ("workload: {onnx: model.onnx}\nrig: {board: inproc}", "cannot run programs"),
    ],
)
def test_a_wrong_scenario_is_said_in_a_sentence(tmp_path: Path, line: str, said: str) -> None:
    conv_net(tmp_path / "model.onnx")
    path = tmp_path / "s.yaml"
    path.write_text(f"{line}\nframes: 2\n" + ("" if "rig" in line else "rig: {board: process}\n"))
    with pytest.raises(ConfigError) as error:
        load_scenario(path)
    assert any(said in f"{p.message} {p.remedy}" for p in error.value.problems)


def test_a_model_that_has_changed_is_refused(tmp_path: Path) -> None:
    path = scenario_in(tmp_path, conv_net(tmp_path / "model.onnx"))
    digest = load_scenario(path).onnx_workload
    assert digest is not None and digest.sha256 is not None
    path.write_text(path.read_text().replace("}", f", sha256: {digest.sha256}}}", 1))
    load_scenario(path)
    transformer(tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match="the model has changed"):
        load_scenario(path)


@needs_runtime
def test_the_worker_says_what_a_model_is(tmp_path: Path) -> None:
    model = conv_net(tmp_path / "model.onnx")
    done = subprocess.run(
        [sys.executable, WORKER, model, "--check"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "4 weights with 3240 bytes; output 40 bytes\n"


@needs_runtime
def test_an_unknown_region_is_refused_with_those_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = "upsets: {events: [{frame: 1, node: a, target: state, region: conv.wait}]}\n"
    path = scenario_in(tmp_path, conv_net(tmp_path / "model.onnx"), events)
    assert run(path, tmp_path / "run") == 2
    message = capsys.readouterr().err
    assert "has no region `conv.wait`; it has conv.weight, conv.bias" in message


@needs_runtime
def test_the_survey_of_an_orbit_knows_the_size_of_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The voted bytes are those of the weights, the input, the output, and the frame's number."""
    plant = (
        "frame_ms: 1000\nplant: {orbit: {altitude_km: 500, inclination_deg: 51.6, "
        'epoch: "2026-03-20T12:00:00Z"}}\n'
    )
    path = scenario_in(tmp_path, conv_net(tmp_path / "model.onnx"), plant)
    path.write_text(
        path.read_text().replace("board: process", "board: process, profile: jetson-orin-nano")
    )
    with pytest.raises(SystemExit) as ended:
        main(["orbit", str(path), "--json"])
    assert not ended.value.code
    rates = json.loads(capsys.readouterr().out)["rates_per_day"]
    assert {of["voted_bytes"] for of in rates.values()} == {8 + 3240 + 8 + 40}

"""The examples for PyTorch and CUDA: where these are installed, and a GPU is there."""

from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from hil.rig.program import golden_run
from hil.wire.messages import Arm

from .contract import SEED, is_golden, one, report_of
from .exec_rig import SDK, MakeRig, python

pytestmark = pytest.mark.ptrace


@pytest.fixture(scope="session")
def dense_gpu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("there is no nvcc here, to build the CUDA example with")
    made = tmp_path_factory.mktemp("programs") / "dense_gpu"
    subprocess.run([compiler, "-O2", "-o", made, SDK / "dense.cu"], check=True)
    return made


@pytest.mark.slow
def test_memory_of_a_gpu_is_hit_and_read_back(make_rig: MakeRig, dense_gpu: Path) -> None:
    """It computes what the NumPy example does, until a weight in device memory is flipped."""
    if shutil.which("nvidia-smi") is None:
        pytest.skip("there is no GPU here, to run the CUDA example on")
    rig = make_rig("gpu", gpu=str(dense_gpu), numpy=python(SDK / "dense.py"))
    golden = golden_run("exec:numpy", SEED)
    region = rig.setup.loaded and rig.setup.loaded.regions[0]
    assert region and region.on_device and region.name == "dense.weight"
    for frame in range(3):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
    arm = Arm(1, 3, "state", "bit", bit=8 * region.offset + 6, exact=True)
    assert rig.arm(rig.nodes[0], arm) is None
    golden.step()
    result = one(rig, 3, golden.input)
    report = report_of(rig, rig.nodes[0], 1)
    assert report.verified and report.before[0] ^ report.after[0] == 0x40
    wrong = [a != b for a, b in zip(result.output, golden.output, strict=True)]
    assert any(wrong[:4]) and not any(wrong[4:])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_parameters_of_a_torch_module_are_hit_and_computed_with(make_rig: MakeRig) -> None:
    rig = make_rig("torch", torch=python(SDK / "torch_worker.py"))
    golden = golden_run("exec:torch", SEED)
    names = [region.name for region in golden.workload.regions]
    assert names == ["first.weight", "first.bias", "second.weight", "second.bias"]
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)
    bias = golden.workload.regions[3]
    arm = Arm(1, 1, "state", "bit", bit=8 * bias.offset + 30, exact=True)
    assert rig.arm(rig.nodes[0], arm) is None
    golden.step()
    result = one(rig, 1, golden.input)
    assert report_of(rig, rig.nodes[0], 1).verified
    first, *rest = struct.unpack("<4f", result.output)
    right, *others = struct.unpack("<4f", golden.output)
    assert first != right and rest == others

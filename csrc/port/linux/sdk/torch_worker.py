"""A PyTorch module as a worker for `workload: exec`, with its parameters named: on the CPU, or with
`--cuda` on a GPU, whose memory is then flipped and read back through PyTorch.

    HIL_EXEC="torch=/usr/bin/python3,$PWD/torch_worker.py" hil run scenario.yaml

It needs PyTorch, and hil_worker.py beside it. Put your own module in place of `Net`. One thread,
deterministic algorithms: rule 3 of csrc/port/linux/EXEC.md asks for the same bits on all nodes, so
use GPUs of one type, and `exec: {golden: recorded}` where this computer has none.
SPDX-License-Identifier: Apache-2.0"""

from __future__ import annotations

import sys
from typing import Any

import hil_worker

try:
    import torch
except ImportError:
    sys.exit("PyTorch is not installed here: pip install torch")

INPUTS, OUTPUTS = 16, 4
DEVICE = "cuda" if "--cuda" in sys.argv[1:] else "cpu"
if DEVICE == "cuda" and not torch.cuda.is_available():
    sys.exit("PyTorch finds no GPU here: leave --cuda out")


class Net(torch.nn.Module):
    """Two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(INPUTS, 32)
        self.second = torch.nn.Linear(32, OUTPUTS)

    def forward(self, x: Any) -> Any:
        """Return the outputs for one row of inputs."""
        return self.second(torch.relu(self.first(x)))


torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
torch.manual_seed(1)
net = Net().to(DEVICE).eval()
worker = hil_worker.Worker(input_len=INPUTS, output_len=4 * OUTPUTS)


def name_on_device(name: str, octets: Any, shape: tuple[int, ...]) -> None:
    """Name a parameter whose bytes are the GPU tensor `octets`."""

    def read(offset: int, length: int) -> bytes:
        return bytes(octets[offset : offset + length].cpu().numpy())

    def write(offset: int, data: bytes) -> None:
        fresh = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        octets[offset : offset + len(data)] = fresh.to(DEVICE)

    worker.device_region(name, shape, "fp32", read, write, use="weights")


with torch.no_grad():
    for name, parameter in net.named_parameters():
        if DEVICE == "cpu":
            worker.region(name, parameter.detach().numpy(), use="weights")
        else:
            bytes_there = parameter.detach().view(-1).view(torch.uint8)
            name_on_device(name, bytes_there, tuple(parameter.shape))


def step(_frame: int, state: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Return the outputs of the module for the input's bytes."""
    with torch.no_grad():
        given = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(DEVICE).float() / 128 - 1
        return state, net(given).cpu().numpy().astype("<f4").tobytes()


worker.run(step)

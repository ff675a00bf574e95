"""A program: runs one scenario of random hits of registers and stack; prints what each one did.

    python hits.py OUT WORKLOAD HITS [fixed|random]

`random`: the system forbids the agents to switch address randomization off, as Docker does by
default. The filter that forbids it holds for this process and for the agents that it starts."""

from __future__ import annotations

import ctypes
import json
import platform
import random
import struct
import sys
from pathlib import Path

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.record.reader import Reader
from hil.scenario import Scenario

PERSONALITY = {"x86_64": 135, "aarch64": 92, "riscv64": 92, "armv7l": 136}
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF: load a word, skip if equal, end
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def forbid_personality() -> None:
    """Let personality(2) be asked (0xffffffff), but not set."""
    instructions = [
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 3, PERSONALITY[platform.machine()]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUAL, 1, 0, 0xFFFFFFFF),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    packed = b"".join(struct.pack("=HBBI", *i) for i in instructions)
    held = ctypes.create_string_buffer(packed, len(packed))
    program = Program(len(instructions), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def scenario(name: str, hits: int) -> Scenario:
    """Half of the hits are some instructions after a tick, half of them are of the stack."""
    ticks = workload(name).ticks
    draw = random.Random(5)
    events = []
    for i in range(hits):
        tick = draw.randrange(ticks + 1)
        event = {
            "frame": 10 + 3 * i,
            "node": "abc"[i % 3],
            "target": draw.choice(["gpr", "vector", "stack", "stack"]),
            "tick": tick,
        }
        if draw.random() < 0.5:
            event["steps"] = draw.randrange(100 if tick < ticks else 8)
        events.append(event)
    return Scenario.model_validate(
        {
            "workload": name,
            "seed": 7,
            "frames": 20 + 3 * hits,
            "rig": {"scheme": "tmr", "board": "process"},
            "upsets": {"events": events},
            "recovery": {"window_frames": 2},
        }
    )


def main(out: str, name: str, hits: str, addresses: str = "fixed") -> None:
    if addresses == "random":
        forbid_personality()
    folder = Path(out)
    folder.mkdir()
    result = Loop(scenario(name, int(hits)), folder).run()
    lines = [json.dumps({"digest": result.run_digest, "why": result.not_reproducible})]
    reader = Reader(folder)
    for row in reader.rows("SELECT * FROM upsets ORDER BY id"):
        told = {key: v.hex() if isinstance(v, bytes) else v for key, v in dict(row).items()}
        del told["at_us"]  # a time
        lines.append(json.dumps(told))
    reader.close()
    sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])

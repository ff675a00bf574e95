"""Build the agent for a Cortex-M3 and check what it needs of a small board's memory.

The template port is a loopback that answers HELLO; QEMU runs it where there is one. Usage:
``size_budget.py [FOLDER]`` (the build goes there, else to a temporary folder). Needs
arm-none-eabi-gcc with newlib. Exit code 1: over budget, or no answer.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUDGET = {"text": 36_000, "ram": 30_000, "stack": 5_000}  # [byte]

LAYERS = ("kernel", "kernel/workloads", "wire", "agent", "port/template", "port/template/cortex_m")
LEFT_OUT = ("infer", "fft", "aes128", "mekf")  # the large workloads
LEFT_OUT += ("train", "train_recheck", "train_rollback")
LEFT_OUT += ("lm", "lm_abft")
LEFT_OUT += ("matmul_abft", "dense")
FLAGS = (
    *("-std=c11", "-Os", "-mcpu=cortex-m3", "-mthumb", "-ffreestanding", "-fno-builtin-printf"),
    *("-ffp-contract=off", "-fno-tree-slp-vectorize", "-fno-stack-protector"),
    *("-ffunction-sections", "-fdata-sections", "-fcallgraph-info=su"),
    *(f"-DHIL_WITHOUT_{name.upper()}" for name in LEFT_OUT),
    *("-DCRC32C_SLICES=1", "-DAGENT_CAMPAIGNS=0"),
    *("-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-Werror"),
)
LINK = ("-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs", "-Wl,--gc-sections")
LIBRARY_STACK = 64  # [byte] of a function of the C or compiler library, whose size is not known

NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?(?:\\n(\d+) bytes \((\w+)\)[^"]*)?"')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


def run(*command: str | Path) -> str:
    """Run a command and return what it wrote; exit with its errors if it fails."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """Compile and link the template port for a Cortex-M3 into `folder`; return the executable."""
    includes = [f"-I{HERE / layer}" for layer in LAYERS]
    sources = [s for layer in LAYERS for s in sorted((HERE / layer).glob("*.c"))]
    objects = []
    for source in sources:
        if source.stem in LEFT_OUT:
            continue
        objects.append(folder / f"{source.stem}.o")
        run("arm-none-eabi-gcc", *FLAGS, *includes, "-c", source, "-o", objects[-1])
    script = HERE / "port/template/cortex_m/cortex_m.ld"
    agent = folder / "agent.elf"
    run("arm-none-eabi-gcc", *FLAGS[:4], *LINK, "-T", script, *objects, "-o", agent)
    return agent


def sizes(agent: Path) -> tuple[int, int]:
    """Return the bytes of flash (code, constants, initial values) and of RAM without the stack."""
    text, data, bss = map(int, run("arm-none-eabi-size", agent).splitlines()[1].split()[:3])
    return text + data, data + bss


def deepest_stack(folder: Path) -> tuple[int, list[str]]:
    """Return the bytes of the deepest chain of calls, and the functions of that chain.

    A call through a pointer counts as a call of the function with the deepest chain among those
    that are not called by name: callbacks of the port and functions of workloads. It is followed
    once in a chain: a callback of this port calls no other. Raises SystemExit if a frame's size is
    not constant, or if functions call each other in a circle.
    """
    frame: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for file in sorted(folder.glob("*.ci")):
        text = file.read_text(encoding="utf-8")
        for name, size, kind in NODE.findall(text):
            if size:
                frame[name] = int(size)
                if kind != "static":
                    sys.exit(f"{name}: the size of its stack frame is {kind}")
        for caller, callee in EDGE.findall(text):
            calls.setdefault(caller, set()).add(callee)
    called = {callee for callees in calls.values() for callee in callees}
    pointed_at = [f for f in frame if f not in called and ":" in f]  # static ones have file:name
    memo: dict[tuple[str, bool], tuple[int, list[str]]] = {}
    active: list[tuple[str, bool]] = []

    def depth(function: str, through_pointer: bool) -> tuple[int, list[str]]:
        if function == "__indirect_call":
            if through_pointer:
                return 0, []
            return max((depth(f, True) for f in pointed_at), default=(0, []))
        if function not in frame:
            return LIBRARY_STACK, [function]
        key = function, through_pointer
        if key in active:
            names = [name for name, _ in [*active, key]]
            sys.exit(f"functions call each other: {' -> '.join(names)}")
        if key not in memo:
            active.append(key)
            below = max(
                (depth(f, through_pointer) for f in calls.get(function, ())), default=(0, [])
            )
            active.pop()
            memo[key] = frame[function] + below[0], [function, *below[1]]
        return memo[key]

    return max(depth(f, False) for f in frame)


def main() -> None:
    """Print each size beside its budget."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        folder.mkdir(parents=True, exist_ok=True)
        agent = build(folder)
        text, ram = sizes(agent)
        stack, chain = deepest_stack(folder)
        measured = {"text": text, "ram": ram, "stack": stack}
        for name, size in measured.items():
            print(f"{name:<6} {size:>6} of {BUDGET[name]:>6} byte")
        print("deepest:", " > ".join(f.rpartition(":")[2] for f in chain))
        if shutil.which("qemu-system-arm"):
            machine = ("-M", "mps2-an385", "-nographic", "-monitor", "none", "-serial", "none")
            semihosting = ("-semihosting-config", "enable=on,target=native")
            run("timeout", "60", "qemu-system-arm", *machine, *semihosting, "-kernel", agent)
            print("QEMU: HELLO answered")
    over = [name for name, size in measured.items() if size > BUDGET[name]]
    if over:
        sys.exit(f"over budget: {', '.join(over)}")


if __name__ == "__main__":
    main()

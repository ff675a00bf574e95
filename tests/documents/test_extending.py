"""The examples of EXTENDING.md: its changes are applied to a copy of the package and used, and its
port is compiled and flown."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

import hil
import hil._kernel
from hil import assets

from .blocks import ROOT, blocks_of, commands_of
from .session import BIN

PAGE = ROOT / ".github" / "EXTENDING.md"
FLY = (BIN / "hil", "run", "memory-storm", "--frames", "500", "--json")
_IN_THE_COPY = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "ScikitBuild" not in type(f).__name__]
sys.path.insert(0, {copy!r})
import hil
assert hil.__file__.startswith({copy!r}), hil.__file__
"""
"""An editable installation would find the package of the checkout first."""


def apply(diff: str, folder: Path) -> None:
    """Apply a change as the page prints it: below `--- FILE`, parts that `@@` separates. The lines
    of a part that are there already must be found once."""
    for of_file in diff.split("--- ")[1:]:
        name, _, rest = of_file.partition("\n")
        path = folder / name
        text = path.read_text(encoding="utf-8")
        for part in rest.split("@@\n"):
            lines = part.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if not line.startswith("+"))
            after = "".join(line[1:] for line in lines if not line.startswith("-"))
            assert text.count(before) == 1, f"{name}: the page shows other lines:\n{before}"
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of what the changes touch beside it, with all of them."""
    folder = tmp_path_factory.mktemp("extended")
    kept = shutil.ignore_patterns("__pycache__", "data")
    shutil.copytree(Path(hil.__file__).parent, folder / "hil", ignore=kept)
    shutil.copytree(ROOT / "csrc", folder / "csrc")
    for found in (assets.scenarios_dir(), assets.boards_dir()):
        (folder / found.name).symlink_to(found)
    shutil.copytree(ROOT / "tests" / "redundancy", folder / "tests" / "redundancy", ignore=kept)
    shutil.copy(ROOT / "tests" / "properties.py", folder / "tests")
    shutil.copy(ROOT / "pyproject.toml", folder)  # how tests are imported
    for block in blocks_of(PAGE):
        if block.language == "diff":
            apply(block.text, folder)
    build_extension(folder / "csrc", folder / "hil" / Path(hil._kernel.__file__).name)
    return folder


def build_extension(sources: Path, out: Path) -> None:
    """Build the extension from changed sources, without optimization: sooner."""
    layers = ("kernel", "kernel/workloads", "host", "wire", "agent", "port/inproc")
    files = [str(path) for layer in layers for path in sorted((sources / layer).glob("*.c"))]
    binding = sources / "_kernel.c"
    subprocess.run([sys.executable, sources / "bind.py", binding], check=True, timeout=100)
    flags = ["-shared", "-fPIC", "-O0", "-std=gnu11", "-ffp-contract=off", "-D_GNU_SOURCE"]
    flags += [f"-I{sources / layer}" for layer in layers]
    flags += ["-DPy_LIMITED_API=0x030a0000", f"-I{sysconfig.get_paths()['include']}"]
    compiler = shutil.which("gcc") or "cc"
    words = [compiler, *flags, "-o", str(out), *files, str(binding), "-lpthread"]
    subprocess.run(words, check=True, timeout=100)


def run_in(copy: Path, then: str, *words: str) -> subprocess.CompletedProcess[str]:
    code = _IN_THE_COPY.format(copy=str(copy)) + then
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.slow
def test_the_voter_of_the_page_delivers_what_its_own_test_says(copy: Path) -> None:
    words = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", "trimmed"]
    words.append("tests/redundancy/test_value_rules.py")
    done = run_in(copy, "import pytest; sys.exit(pytest.main(sys.argv[1:]))", *words)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_a_run_has_the_voter_and_the_fault_of_the_page(copy: Path) -> None:
    (copy / "own.yaml").write_text(
        "schema: 1\nworkload: attitude\nframes: 40\n"
        "rig: {scheme: tmr, voter: {kind: trimmed_mean, tolerance: 1.0e-9}, board: inproc}\n"
        "upsets:\n  events:\n"
        "    - {frame: 10, node: b, target: output, tick: 6, bit: 60}\n"
        "    - {frame: 20, node: a, target: link, noise: invert}\n"
        "expect: {sdc_frames: 0, availability: 1, by_node_effect.detected: 1}\n"
    )
    then = "from hil.cli import main; sys.exit(main())"
    done = run_in(copy, then, "run", "own.yaml", "--json", "--out", "own")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["metrics"]["upsets.injected"] == 2


@pytest.fixture(scope="module")
def ported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bench file with three boards, each the page's port behind a pty."""
    tmp_path = tmp_path_factory.mktemp("ported")
    (block,) = [b for b in blocks_of(PAGE) if b.language == "sh" and "gcc" in b.text]
    compile_ = commands_of(block.text)[0].replace("gcc", shutil.which("gcc") or "cc", 1)
    port = tmp_path / "my-port"
    built = compile_.replace("my-port", shlex.quote(str(port))).replace("-O2", "-O0")  # sooner
    subprocess.run(["bash", "-c", built], cwd=ROOT, check=True, timeout=100)
    boards, rows = [], []
    for name in "abc":
        inside, outside = os.openpty()
        tty.setraw(outside)
        boards.append((subprocess.Popen([port], stdin=inside, stdout=inside), inside, outside))
        rows.append(f"  - {{name: {name}, port: {os.ttyname(outside)}}}\n")
    (tmp_path / "ported.yaml").write_text("schema: 1\nboards:\n" + "".join(rows))
    yield tmp_path / "ported.yaml"
    for process, inside, outside in boards:
        process.kill()
        process.wait()
        os.close(inside)
        os.close(outside)


@pytest.mark.slow
def test_the_port_of_the_page_flies_as_boards_in_process_do(ported: Path) -> None:
    digests: list[str] = []
    for words in (("--bench", str(ported)), ("--boards", "inproc")):
        done = subprocess.run(
            [*FLY, *words, "--out", f"run{len(digests)}"],
            cwd=ported.parent,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        digests.append(json.loads(done.stdout)["run_digest"])
    assert digests[0] == digests[1]


NOT_HELD = {
    "test_a_board_says_who_it_is": "`cpu` is a target of every board",
    "test_a_crash_is_reported_with_its_signal": "its worker is a call, which cannot crash alone",
    "test_a_hang_is_found_and_a_restart_keeps_the_state": "nothing interrupts its worker",
    "test_the_bit_of_the_agent_that_is_flipped_is_the_bit_that_is_read_back": "no target `agent`",
    "test_an_agent_with_damaged_memory_restarts_and_reports_the_upset": "no target `agent`",
}
"""What the page says that its port does not hold, and why."""
QUICK = (
    "says_who or crash_is or restart or checkpoint or resync or refus or budget or sync or limit"
)


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(QUICK, marks=pytest.mark.slow, id="some"),
        pytest.param("TestBench", marks=[pytest.mark.stress, pytest.mark.timeout(600)], id="all"),
    ],
)
def test_the_port_of_the_page_holds_the_contract_but_for_what_the_page_says(
    ported: Path, chosen: str
) -> None:
    contract = "tests/rig/test_contract_bench.py"
    words = ("-n", "0", "-p", "no:cacheprovider", "-rA", "--tb=no", "-m", "", "-k", chosen)
    done = subprocess.run(
        [sys.executable, "-I", "-m", "pytest", *words, contract, "--hil-bench", str(ported)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    lines = done.stdout.splitlines()
    failed = {x.partition("::TestBench::")[2].split()[0] for x in lines if x.startswith("FAILED")}
    passed = sum(line.startswith("PASSED") for line in lines)
    assert failed <= NOT_HELD.keys() and len(failed) >= 3, done.stdout
    assert passed >= (63 if chosen == "TestBench" else 5), done.stdout
    if chosen == "TestBench":
        assert failed == NOT_HELD.keys(), done.stdout

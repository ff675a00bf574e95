"""A user's own C file as the workload: it is compiled, tried, and computed by boards as by its
golden run; what is wrong with it is one message, with its line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hil import assets
from hil.board_types.compilers import find_compiler, native
from hil.board_types.elf_symbols import symbols_of
from hil.errors import ConfigError, NodeError, SetupError
from hil.kernel import Golden
from hil.rig.backends.process import ProcessBoard
from hil.rig.board_kinds import build_nodes
from hil.rig.node import DONE, Node
from hil.rig.own_workload import OwnWorkload, own_workload
from hil.rig.program import golden_run
from hil.rig.program_options import ProgramOptions
from hil.rig.rig import Rig
from hil.rig.workload_trial import STACK_BYTES
from hil.scenario import Scenario, load_scenario
from tests.amount import mostly_stress

from .contract import TIMING
from .own_workloads import scenario_of

pytestmark = pytest.mark.ptrace


def loaded(scenario: Scenario) -> OwnWorkload:
    own = own_workload(scenario)
    assert own is not None
    return own


def rig_of(scenario: Scenario) -> Rig:
    rig = Rig(build_nodes(scenario), scenario.workload_name, scenario.seed, TIMING)
    rig.setup.program = ProgramOptions(own=own_workload(scenario))
    return rig


# --- it works -------------------------------------------------------------------------------------


def model(frames: int, golden: Golden) -> bytes:
    """The template in Python: an alpha-beta filter of 64-bit words. Its last output."""
    position = rate = 0
    for frame in range(frames):
        measured = int.from_bytes(golden.input_of(frame), "little")
        position += rate
        error = (measured - position + 2**63) % 2**64 - 2**63
        position, rate = position + int(error / 2), rate + int(error / 8)
    return b"".join((v % 2**64).to_bytes(8, "little") for v in (position, rate))


def test_the_golden_run_is_that_of_python(tmp_path: Path) -> None:
    golden = loaded(scenario_of(tmp_path, "mine")).golden_run(5)
    for _ in range(40):
        golden.step()
    assert golden.output == model(40, golden)


@pytest.mark.parametrize("board", ["process", "inproc"])
def test_boards_compute_it_as_the_golden_run_does(tmp_path: Path, board: str) -> None:
    scenario = scenario_of(tmp_path, "mine", board=board)
    rig = rig_of(scenario)
    golden = golden_run(scenario.workload_name, scenario.seed, rig.setup.program)
    try:
        rig.open()
        assert rig.load(rig.nodes[0]) == golden.state_digest
        for frame in range(30):
            golden.step()
            result = rig.step(rig.nodes, frame, golden.input)[rig.nodes[0].name]
            assert result.status == DONE
            assert (result.output_digest, result.state_digest) == (
                golden.output_digest,
                golden.state_digest,
            )
    finally:
        rig.close()


@pytest.mark.slow
def test_an_agent_without_it_says_so(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, "mine")
    node = Node("a", 0, ProcessBoard("a"))  # as it was installed
    rig = Rig([node], scenario.workload_name, scenario.seed, TIMING)
    rig.setup.program = ProgramOptions(own=own_workload(scenario))
    try:
        rig.open()
        with pytest.raises(NodeError, match="its agent has no workload `mine`") as caught:
            rig.load(node)
        assert "hil board build --workload mine.c" in str(caught.value)
    finally:
        rig.close()


@pytest.mark.slow
def test_a_file_of_the_same_name_and_another_text_is_another_workload(tmp_path: Path) -> None:
    outputs = []
    for number in (2, 4):
        folder = tmp_path / str(number)
        folder.mkdir()
        scenario = scenario_of(folder, "mine", ("part(error, 2)", f"part(error, {number})"))
        golden = loaded(scenario).golden_run(1)
        golden.step()
        outputs.append(golden.output)
    assert outputs[0] != outputs[1]


def test_a_file_that_has_changed_since_it_was_loaded_is_refused(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, "mine")
    with (tmp_path / "mine.c").open("a") as file:
        file.write("\n")
    with pytest.raises(ConfigError, match="the file has changed"):
        own_workload(scenario)


@pytest.mark.slow
def test_it_is_compiled_and_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = scenario_of(tmp_path, "mine")
    first = loaded(scenario)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a program is started")

    find_compiler(native() or pytest.skip("no agent for this computer"))
    monkeypatch.setattr("hil.board_types.workload_build.run_compiler", never)
    monkeypatch.setattr("hil.rig.own_workload._carried_out", never)
    assert loaded(scenario).library == first.library


# --- what is wrong with it ------------------------------------------------------------------------

TOTAL = "position += rate;"
STATE = "uint64_t position"
COPY = "memcpy(io->output, io->state, OUTPUT_LEN)"
END = "return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK"


INCLUDES = "#include <string.h>"
BOUNDS = "WORKLOAD_TEXT_BOUNDS(mine);"


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ([(TOTAL, "position += rat;")], "rat;", "'rat' undeclared"),
        ([(INCLUDES, '#include "no.h"')], "no.h", "no.h: No such file"),
        (
            [
                (TOTAL, "position += (uint64_t)puts(0);"),
                (INCLUDES, f"#include <stdio.h>\n{INCLUDES}"),
            ],
            "puts",
            "`puts` is not something that a workload can call",
        ),
        (
            [(TOTAL, "rate += (uint64_t)sin(rate);"), (INCLUDES, f"#include <math.h>\n{INCLUDES}")],
            "sin(",
            "`sin` is not something that a workload can call",
        ),
        (
            [(STATE, "static uint64_t calls;\n  calls++;\n  uint64_t position")],
            "calls;",
            "`calls` keeps 8 bytes outside of the state",
        ),
        (
            [
                ("hil_workload_t workload_mine;", "hil_workload_t workload_other;"),
                ("hil_workload_t workload_mine =", "hil_workload_t workload_other ="),
            ],
            "",
            "exports no workload: expected `const hil_workload_t workload_mine`; it has "
            "workload_other: name the file other.c",
        ),
        (
            [("WORKLOAD_TEXT(mine) static", "static"), ("WORKLOAD_TEXT(mine) static", "static")],
            ".text_begin =",
            "nothing is marked as machine code of the workload, WORKLOAD_TEXT(mine)",
        ),
        (
            [(BOUNDS, f"{BOUNDS}\nint hil_digest64(void) {{ return 1; }}")],
            "hil_digest64",
            "`hil_digest64` is a name of hil's own, too",
        ),
    ],
)
def test_what_cannot_be_compiled_is_one_message_with_its_line(
    tmp_path: Path, changes: list[tuple[str, str]], place: str, message: str
) -> None:
    scenario = scenario_of(tmp_path, "mine", *changes)
    with pytest.raises(ConfigError) as caught:
        own_workload(scenario)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.file == str(tmp_path / "mine.c")
    lines = (tmp_path / "mine.c").read_text().splitlines()
    expected = next((n for n, text in enumerate(lines, 1) if place and place in text), 0)
    assert problem.line == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([('.name = "mine"', '.name = "other"')], "`.name` is 'other'; expected 'mine'"),
        ([(".ticks = TICKS", ".ticks = 3")], "the step counts 2 ticks in frame 0; `.ticks` says 3"),
        (
            [(".input_len = INPUT_LEN", ".input_len = 257")],
            "`.input_len` is 257; expected 0 to 256",
        ),
        (
            [("STATE_LEN = 24", "STATE_LEN = 2000000")],
            "`.state_len` is 2000000; expected 1 to 1048",
        ),
        (
            [(".output_len = OUTPUT_LEN", ".output_len = 0")],
            "`.output_len` is 0; expected 1 to 256",
        ),
        ([(".init = init", ".init = 0")], "`.init`, `.input` or `.step` is missing"),
        (
            [(COPY, "memcpy(io->output, io->state, 8)")],
            "its output depends on what scratch and output held before",
        ),
        (
            [
                (
                    "memcpy(io->output, io->state, OUTPUT_LEN)",
                    "memset(io->output, 0, OUTPUT_LEN + 1)",
                )
            ],
            "the step writes outside of its output in frame 0",
        ),
        ([(TOTAL, "position += *(volatile uint64_t *)8;")], "it died of SIGSEGV in frame 0"),
        (
            [(END, "return 7")],
            "the step returns 7",
        ),
        pytest.param(
            [(TOTAL, "while (*(volatile uint64_t *)io->state < 1000) {}")],
            "it takes more than 10 s of CPU time in frame 0",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_rule_that_does_not_hold_is_one_message(
    tmp_path: Path, changes: list[tuple[str, str]], message: str
) -> None:
    scenario = scenario_of(tmp_path, "mine", *changes)
    with pytest.raises(ConfigError) as caught:
        own_workload(scenario)
    assert message in str(caught.value)


@pytest.mark.parametrize(("words", "fits"), [("24576", True), ("40000", False), ("400000", False)])
def test_a_step_that_needs_more_stack_than_a_worker_has_is_named(
    tmp_path: Path, words: str, fits: bool
) -> None:
    """A worker's stack has 32768 words; more would be a crash on every board."""
    large = (
        f"volatile uint64_t table[{words}];\n  for (int i = 0; i < {words}; i++) "
        "table[i] = rate;\n  position += table[7];"
    )
    scenario = scenario_of(tmp_path, "mine", (TOTAL, large))
    if not fits:
        with pytest.raises(
            ConfigError, match=r"more stack than the 256 KiB .* in frame 0 \(rule 8"
        ):
            own_workload(scenario)
        return
    rig = rig_of(scenario)
    golden = golden_run(scenario.workload_name, scenario.seed, rig.setup.program)
    try:  # and a worker computes it
        rig.open()
        rig.load(rig.nodes[0])
        golden.step()
        result = rig.step(rig.nodes, 0, golden.input)[rig.nodes[0].name]
        assert (result.status, result.state_digest) == (DONE, golden.state_digest)
    finally:
        rig.close()


def test_the_stack_that_a_step_is_tried_on_is_that_of_a_worker() -> None:
    header = assets.sources_dir() / "port" / "linux" / "port_linux.h"
    assert f"WORKER_STACK_LEN = {STACK_BYTES >> 10} * 1024" in header.read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_the_compiler_warns_of_is_said(tmp_path: Path) -> None:
    """Each time, although it is compiled once; and nothing of the shipped template."""
    assert loaded(scenario_of(tmp_path, "mine")).warnings == ()
    scenario_of(tmp_path, "mine", (TOTAL, f"int never_used = 3;\n  {TOTAL}"))
    lines = (tmp_path / "mine.c").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "never_used" in text)
    for _ in range(2):
        said = hil(tmp_path, "check", "s.yaml").stderr
        assert f"warning: {tmp_path / 'mine.c'}:{line}:" in said
        assert "unused variable 'never_used'" in said
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("mine.c", "s.yaml"):
        shutil.copy(tmp_path / name, moved)
    (warning,) = loaded(load_scenario(moved / "s.yaml")).warnings
    assert warning.startswith(f"{moved / 'mine.c'}:{line}:")


def test_what_goes_wrong_late_in_its_own_run_is_a_message_before_it(tmp_path: Path) -> None:
    """As hil itself computes the golden run, nothing could be said then."""
    late = "if (load_u64le(io->input) > 60000) position += *(volatile uint64_t *)8;"
    short = scenario_of(tmp_path, "mine", (TOTAL, f"{late}\n  position += rate;"))
    assert own_workload(short)
    long = scenario_of(tmp_path, "mine", (TOTAL, f"{late}\n  position += rate;"), frames=80)
    with pytest.raises(ConfigError, match="it died of SIGSEGV in frame 60"):
        own_workload(long)


def test_a_result_that_is_another_each_time_is_refused(tmp_path: Path) -> None:
    address = "(uintptr_t)io->output >> 6"
    scenario = scenario_of(tmp_path, "mine", (TOTAL, f"position += rate + ({address});"))
    with pytest.raises(ConfigError, match="is another one each time in frame 0, from the same"):
        own_workload(scenario)


@pytest.mark.slow
def test_a_workload_that_is_not_total_runs_on_processes_alone(tmp_path: Path) -> None:
    trap = "if (rate >> 60) position += *(volatile uint64_t *)8;\n  position += rate;"
    own = loaded(scenario_of(tmp_path, "mine", (TOTAL, trap)))
    own.golden_run(1).step()
    with pytest.raises(
        SetupError, match="it died of SIGSEGV with any bytes in its memory"
    ) as caught:
        own.check_total()
    assert "--boards process" in str(caught.value)


@pytest.mark.slow
def test_a_step_that_ignores_that_it_is_abandoned_is_not_for_inproc_boards(tmp_path: Path) -> None:
    old = "if (progress_tick(progress)) {\n    return HIL_ERR_STATE;\n  }"
    own = loaded(scenario_of(tmp_path, "mine", (old, "(void)progress_tick(progress);")))
    with pytest.raises(SetupError, match="when it is abandoned at tick 1"):
        own.check_total()


def test_without_a_compiler_that_is_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = scenario_of(tmp_path, "mine")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SetupError, match="must be compiled: there is no C compiler here"):
        own_workload(scenario)


def test_a_cache_that_cannot_be_written_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = scenario_of(tmp_path, "mine")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(SetupError, match="cannot be kept in"):
        own_workload(scenario)


# --- the command line -----------------------------------------------------------------------------


def hil(cwd: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "hil", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.slow
def test_a_run_is_verified_and_resumed_with_the_same_text_only(tmp_path: Path) -> None:
    scenario_of(tmp_path, "mine", frames=400)
    assert "mine" in hil(tmp_path, "check", "s.yaml").stdout
    hil(tmp_path, "run", "s.yaml", "--out", "r", "--quiet")
    verified = hil(tmp_path, "replay", "r", "--verify").stdout
    # A long path may be broken anywhere.
    assert "mine.c,whichhastherecordedSHA-256" in "".join(verified.split())
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    workload = manifest["scenario"]["workload"]
    assert workload["c"] == str(tmp_path / "mine.c") and len(workload["sha256"]) == 64
    with (tmp_path / "mine.c").open("a") as file:
        file.write("/* another */\n")
    verified = hil(tmp_path, "replay", "r", "--verify").stdout
    assert "was not computed again" in " ".join(verified.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((TOTAL, "position += rat;"), "mine.c:53:15: 'rat' undeclared"),
        ((".ticks = TICKS", ".ticks = 3"), "mine.c: the step counts 2 ticks in frame 0"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_bad_file_is_said_before_anything_begins(
    tmp_path: Path, command: str, change: tuple[str, str], said: str
) -> None:
    scenario_of(tmp_path, "mine", change)
    assert said in hil(tmp_path, command, "s.yaml", code=2).stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_an_agent_is_built_with_it(tmp_path: Path) -> None:
    target = native()
    if target is None:
        pytest.skip("the agent does not run on this kind of computer")
    scenario = scenario_of(tmp_path, "mine")
    words = ("board", "build", "--workload", "mine.c", "-o", "agent", "--json")
    made = json.loads(hil(tmp_path, *words).stdout)
    assert scenario.c_workload is not None
    assert made["workloads"] == {"mine": scenario.c_workload.sha256}
    node = Node("a", 0, ProcessBoard("a", tmp_path / "agent"))
    rig = Rig([node], "mine", 1, TIMING)
    golden = loaded(scenario).golden_run(1)
    try:
        rig.open()
        assert rig.load(node) == golden.state_digest
    finally:
        rig.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--workload", "none.c"), "cannot be read: No such file"),
        (("--workload", "infer.c"), "there is a workload `infer` already"),
        (("--workload", "mine.c", "--workload", "./mine.c"), "two files have one name"),
    ],
)
def test_a_workload_that_cannot_be_built_in_is_one_message(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    scenario_of(tmp_path, "mine")
    assert said in hil(tmp_path, "board", "build", *words, code=2).stderr


@pytest.mark.slow
def test_the_copy_of_the_shipped_one_has_its_c_file(tmp_path: Path) -> None:
    hil(tmp_path, "scenario", "copy", "own-workload", "mine.yaml")
    assert (tmp_path / "workloads" / "template.c").is_file()
    done = hil(tmp_path, "scenario", "copy", "own-workload", "other.yaml", code=2)
    assert "template.c exists already" in done.stderr
    assert not (tmp_path / "other.yaml").exists()


@pytest.mark.parametrize(
    "triple",
    mostly_stress(
        ["aarch64-linux-gnu", "arm-linux-gnueabihf", "riscv64-linux-gnu"], keep=2, timeout_s=600
    ),
)
def test_it_is_built_for_other_processors(tmp_path: Path, triple: str) -> None:
    if shutil.which(f"{triple}-gcc") is None:
        pytest.skip(f"no compiler for {triple}")
    scenario_of(tmp_path, "mine")
    words = ("board", "build", "--target", triple, "--workload", "mine.c", "-o", "agent")
    assert "with workload mine" in hil(tmp_path, *words).stdout


# --- symbols --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cc", ["cc", "aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc"])
def test_symbols_are_those_that_nm_finds(tmp_path: Path, cc: str) -> None:
    nm = "nm" if cc == "cc" else cc.replace("gcc", "nm")
    if shutil.which(cc) is None or shutil.which(nm) is None:
        pytest.skip(f"no {cc} and {nm}")
    (tmp_path / "a.c").write_text(
        "extern int there(int);\nstatic int kept;\nint seen = 3;\n"
        'const char *const text[] = {"a"};\nint f(int x) { kept += x; return there(kept); }\n'
    )
    subprocess.run([cc, "-O1", "-c", "a.c"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        [nm, "a.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    letters = {words[-1]: words[-2] for words in map(str.split, listed)}
    found = {s.name: s for s in symbols_of((tmp_path / "a.o").read_bytes())}
    for name in ("there", "kept", "seen", "text", "f"):
        letter, symbol = letters[name], found[name]
        assert symbol.defined == (letter != "U")
        assert symbol.is_global == letter.isupper()
        assert symbol.writable == (name in ("kept", "seen"))


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01" + bytes(20)])
def test_a_file_without_symbols_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="ELF"):
        symbols_of(content)

"""The documents are carried out: every block of every Markdown file is run or checked.

Commands run for real in an empty folder, in the order in which they stand, so that what one block
makes is there for the next; YAML is checked as what it is; samples of output must have the shape
of real output. A block that nothing here knows fails. Exceptions stand in `RULES`, with what they
need; even they are read by the command line's own parser.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hil import assets
from hil.doctor.files import check
from hil.scenario import parse_scenario

from ..emulated import why_not
from ..ready import ReadyHil
from ..sources import tree_of
from .blocks import (
    ROOT,
    Block,
    anchors_of,
    blocks_of,
    commands_of,
    documents,
    name_of,
    prose_of,
    spans_of,
)
from .cli import misuse, own_words
from .session import BIN, Reader, shape

BLOCKS = [block for path in documents() for block in blocks_of(path)]
BY_LANGUAGE = {
    language: [b for b in BLOCKS if b.language == language]
    for language in {b.language for b in BLOCKS}
}


# --- what cannot be done just as it stands --------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """Of a command: `instead` is run, or nothing, because it needs `needs`. `when`: it is run as
    it stands where that says yes. `by`: what in .ci/run carries it out. `says`: it goes on until
    Ctrl-C, and first says that. `code`: how it must exit."""

    needs: str = ""
    instead: str | Callable[[Reader], str] = ""
    when: Callable[[], bool] | None = None
    by: str = ""
    says: str = ""
    code: int = 0


def on_ports(command: str) -> Callable[[Reader], str]:
    """The command with the ports of three agents for PORTS."""
    return lambda reader: command.replace("PORTS", " ".join(reader.ports()))


def can_emulate() -> bool:
    return bool(os.environ.get("HIL_NEED_EMULATED")) or not why_not()


def has_arm64_compiler() -> bool:
    return shutil.which("aarch64-linux-gnu-gcc") is not None


def run_own_model(_: Reader) -> str:
    has_runtime = importlib.util.find_spec("onnxruntime") is not None
    return f"hil run {ROOT}/scenarios/models/own-model.yaml --out model" if has_runtime else "true"


def has_gdb() -> bool:
    return shutil.which("gdb") is not None


EXAMPLE = ROOT / "csrc" / "port" / "linux" / "examples" / "ab_filter.c"
MOCK_BENCH = "schema: 1\\nboards: [{name: left, port: /dev/null, power: {kind: mock}}]\\n"


def on_mock(command: str) -> str:
    """The command with a bench of one board, whose supply is none."""
    return f"printf '{MOCK_BENCH}' > mock.yaml && {command} --bench mock.yaml"


def on_one_board(options: str) -> Callable[[Reader], str]:
    """The test of a bench with one agent: all agents of a computer may have its serial number."""

    def command(reader: Reader) -> str:
        bench = f"schema: 1\\nboards: [{{name: left, port: {reader.ports(1)[0]}}}]\\n"
        return f"printf '{bench}' > one.yaml && hil bench test one.yaml {options}"

    return command


def on_console(reader: Reader) -> str:
    """A terminal on a console port: one of an agent, which prints nothing."""
    left = f"{{name: left, port: /dev/null, console: {reader.ports(1)[0]}}}"
    reader.write("console.yaml", f"schema: 1\nboards: [{left}]\n")
    return "hil console left --bench console.yaml"


FEED = "hil feed RUN --prometheus 9464"
OWN_SUITE = f"rm -rf own && cp -r {ROOT / 'scenarios' / 'testing'} own && pytest own -q"
"""Of the whole suite, which tests/testing/test_example.py carries out, the shortest test."""
DISCOVER = Rule("boards", on_ports("hil discover PORTS -o bench.yaml"))
ON_BENCH = "hil run memory-storm --bench bench.yaml --json"
SSH = Rule("a board that is reached by ssh")
COMPILE_PORT = """gcc -std=c11 -O2 -ffp-contract=off -D_POSIX_C_SOURCE=200809L -Icsrc/kernel \
-Icsrc/wire -Icsrc/agent -o my-port \\
  csrc/port/template/stdio/main.c csrc/agent/*.c csrc/wire/*.c csrc/kernel/*.c \\
  csrc/kernel/workloads/*.c"""
RENAME = "sed 's/^name: .*/name: my-board/'"
PORT = Rule("three ports")
DASK = Rule("a cluster", by="tests/campaign/test_cluster.py")
RULES: dict[tuple[str, str], Rule] = {
    ("scenarios/RUNS.md", f"{FEED} --until-end"): Rule(
        instead="hil feed RUN --prometheus 0 --until-end"  # the port may be taken here
    ),
    ("scenarios/RUNS.md", f"{FEED} --ccsds 10015"): Rule(
        instead="hil feed RUN --prometheus 0 --ccsds 0", says="prometheus: http://127.0.0.1:"
    ),
    (
        "scenarios/COST.md",
        "hil run sso-dawn-dusk --scheme simplex --boards inproc --out simplex",
    ): Rule(
        instead="hil run memory-storm --scheme simplex --boards inproc --out simplex",
        code=1,  # as the whole day does
    ),
    ("scenarios/COST.md", "hil run sso-dawn-dusk --scheme tmr --boards inproc --out tmr"): Rule(
        instead="hil run memory-storm --scheme tmr --boards inproc --out tmr"
    ),
    (
        "README.md",
        "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/hil run quickstart",
    ): Rule("a network", "hil run quickstart", by="first-run"),
    (
        "README.md",
        "python3 -m venv .venv && .venv/bin/pip install -q '.[test]' && .venv/bin/pytest -q",
    ): Rule("a network; it is this very suite", by="readme_command tests"),
    ("scenarios/RUNS.md", ON_BENCH): Rule(
        "boards", on_ports(f"hil discover PORTS -o bench.yaml >/dev/null && {ON_BENCH}")
    ),
    ("README.md", "hil discover -o bench.yaml"): DISCOVER,
    ("scenarios/TESTING.md", "pytest scenarios/testing"): Rule(
        "a folder of its own", f"{OWN_SUITE} -k two_different"
    ),
    ("scenarios/TESTING.md", "pytest scenarios/testing --hil-boards process"): Rule(
        "a folder of its own", f"{OWN_SUITE} -k two_different --hil-boards process"
    ),
    ("scenarios/TESTING.md", "pytest scenarios/testing --hil-bench bench.yaml"): Rule(
        "boards whose agents have the workload"  # with others: tests/testing/test_plugin.py
    ),
    (
        "scenarios/TESTING.md",
        "pytest scenarios/testing --junitxml junit.xml --hil-allure allure-results",
    ): Rule(
        "a folder of its own",
        f"{OWN_SUITE} -k two_different --junitxml junit.xml --hil-allure allure-results"
        " && [ -e junit.xml ] && [ -d allure-results ]",
    ),
    ("README.md", "hil bench test bench.yaml"): Rule("boards", on_one_board("")),
    ("boards/README.md", "hil bench test bench.yaml"): Rule("boards", on_one_board("--yes")),
    ("boards/README.md", "hil bench test bench.yaml --no-power --use left,middle"): Rule(
        "boards", on_one_board("--no-power --use left")
    ),
    ("boards/README.md", "hil bench test bench.yaml --write"): Rule(
        "boards", on_one_board("--write")
    ),
    ("boards/README.md", "hil board build raspberry-pi-4b -o hil-agent"): Rule(
        "a compiler for arm64", when=has_arm64_compiler
    ),
    (
        "boards/README.md",
        "cmake -S csrc -B agent -DHIL_EXTENSION=OFF && cmake --build agent --target hil-agent",
    ): Rule(
        "a copy of csrc/",
        f"cp -r {ROOT / 'csrc'} . && cmake -S csrc -B agent "
        "-DHIL_EXTENSION=OFF && cmake --build agent --target hil-agent",
    ),
    ("boards/README.md", "./agent/hil-agent --port /dev/ttyAMA0 --baud 115200"): Rule(
        "a board", "{ timeout 1 ./agent/hil-agent --port pty --baud 115200; [ $? = 124 ]; }"
    ),
    ("scenarios/CAMPAIGNS.md", "hil campaign memory-storm.campaign --gdb 101.3"): Rule(
        "gdb", when=has_gdb
    ),
    (
        "scenarios/REDUNDANCY.md",
        "hil compare orbit-following --schemes simplex,dmr,tmr,own --boards inproc "
        "--over anomaly_flux=20,100,500",
    ): Rule(
        "a day of each scheme takes minutes",
        "hil compare orbit-following --schemes dmr,own --boards inproc --over anomaly_flux=100 "
        "--frames 40",
    ),
    ("scenarios/ORBIT.md", "hil orbit leo-iss-day -o day.csv --plot day.svg"): Rule(
        "matplotlib, an extra", "hil orbit leo-iss-day -o day.csv"
    ),
    ("scenarios/WORKLOADS.md", "hil run scenarios/models/own-model.yaml --out model"): Rule(
        "onnxruntime, an extra", run_own_model
    ),
    # tests/campaign/test_cluster.py carries these out, with processes of this computer
    ("scenarios/CAMPAIGNS.md", "dask scheduler --port 8786"): DASK,
    (
        "scenarios/CAMPAIGNS.md",
        "dask worker tcp://192.168.1.10:8786 --nthreads 2 --resources hil-board=2",
    ): DASK,
    (
        "scenarios/CAMPAIGNS.md",
        "hil campaign memory-storm --exact --boards process --out far "
        "--dask tcp://192.168.1.10:8786",
    ): DASK,
    ("README.md", ".venv/bin/pip install -q -e '.[test,lint]'"): Rule("a network", by="[lint]"),
    ("README.md", ".venv/bin/pytest -q"): Rule("it is this very suite", by="pytest -q"),
    ("README.md", ".venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy"): Rule(
        "the linters, an extra", by=".venv/bin/mypy"
    ),
    ("README.md", ".ci/run"): Rule("an hour", f"[ -x {ROOT}/.ci/run ]"),
    ("csrc/README.md", "cmake --build /tmp/hil-c -j"): Rule(
        "minutes for all", "cmake --build hil-c -j --target test_frame", by="cmake_tests clang"
    ),
    ("csrc/README.md", "ctest --test-dir /tmp/hil-c --output-on-failure"): Rule(
        "minutes for all",
        "ctest --test-dir hil-c --output-on-failure --no-tests=error -R '^test_frame$'",
        by="cmake_tests clang",
    ),
    (
        "csrc/README.md",
        "mkdir -p /tmp/corpus && /tmp/fuzz_frame -max_total_time=20 /tmp/corpus "
        "csrc/fuzz/corpus/fuzz_frame",
    ): Rule(
        "20 s",
        "mkdir -p corpus && ./fuzz_frame -max_total_time=1 corpus csrc/fuzz/corpus/fuzz_frame",
        by="-max_total_time=20",
    ),
    (".github/EXTENDING.md", f"{RENAME} boards/generic-linux-pc.yaml > my-board.yaml"): Rule(
        instead=f"{RENAME} {ROOT}/boards/generic-linux-pc.yaml > my-board.yaml"
    ),
    # tests/documents/test_extending.py carries these out
    (".github/EXTENDING.md", COMPILE_PORT): PORT,
    (
        ".github/EXTENDING.md",
        "for n in a b c; do socat PTY,link=port-$n,raw,echo=0 EXEC:./my-port & done",
    ): PORT,
    (".github/EXTENDING.md", "hil discover ./port-a ./port-b ./port-c -o ported.yaml"): PORT,
    (".github/EXTENDING.md", "hil run memory-storm --bench ported.yaml --json"): PORT,
    (".github/CONTRIBUTING.md", "python3 -m venv .venv"): Rule(
        "seconds for pip alone", "python3 -m venv --without-pip .venv", by="readme_command tests"
    ),
    (".github/CONTRIBUTING.md", ".venv/bin/pip install -q -e '.[test,lint]'"): Rule(
        "a network", by="[lint]"
    ),
    (".github/CONTRIBUTING.md", ".venv/bin/pytest -q"): Rule(
        "it is this very suite", by="pytest -q"
    ),
    (
        ".github/CONTRIBUTING.md",
        ".venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy && .ci/lint-c",
    ): Rule("the linters, an extra", by=".ci/lint-c"),
    (".github/CONTRIBUTING.md", ".ci/python --cov"): Rule("minutes and a network", by="--cov"),
    (".github/CONTRIBUTING.md", ".ci/run"): Rule("an hour", f"[ -x {ROOT}/.ci/run ]"),
    ("boards/README.md", "sudo apt-get install qemu-system-arm gcc-aarch64-linux-gnu"): Rule(
        "root and a network", by="qemu-system-arm"
    ),
    ("boards/README.md", "hil run emulated-rpi"): Rule("QEMU and a kernel", when=can_emulate),
    ("boards/README.md", "hil board emulate raspberry-pi-3b"): Rule(
        "QEMU and a kernel", when=can_emulate, says="port /dev/pts/"
    ),
    ("boards/README.md", "hil run board-ram-storm"): Rule(
        "QEMU and a kernel; tests/engine/test_emulated_runs.py flies the whole minute",
        "hil scenario copy board-ram-storm short.yaml && "
        "sed -i -e 's/^duration: 60s/duration: 12s/' -e '/recoveries:/d' -e '/availability:/d' "
        "short.yaml && grep -q 'duration: 12s' short.yaml && hil run short.yaml",
        when=can_emulate,
    ),
    ("boards/README.md", "hil board install pi@192.168.1.20 --profile raspberry-pi-4b"): SSH,
    ("boards/README.md", "hil board install nvidia@192.168.55.1 --profile jetson-orin-nano"): SSH,
    # tests/board_types/test_bench_install.py carries these out on sshds of this computer
    ("boards/README.md", "hil board install --bench bench.yaml --dry-run"): SSH,
    ("boards/README.md", "hil board install --bench bench.yaml"): SSH,
    (
        "boards/README.md",
        "hil board install --bench bench.yaml --use left --exec filter=./ab_filter",
    ): SSH,
    ("boards/README.md", "hil board install --bench bench.yaml --uninstall"): SSH,
    ("boards/README.md", "ssh -t pi@192.168.1.20 sudo raspi-config nonint do_overlayfs 0"): SSH,
    ("boards/README.md", "ssh -t pi@192.168.1.20 sudo raspi-config nonint do_overlayfs 1"): SSH,
    ("boards/README.md", "hil discover -o bench.yaml"): DISCOVER,
    ("boards/README.md", "hil console left --bench bench.yaml"): Rule(
        "a board", on_console, says="Ctrl-] ends"
    ),
    ("boards/README.md", "hil power read --bench bench.yaml"): Rule(
        "supplies", on_mock("hil power read")
    ),
    ("boards/README.md", "hil power cycle left --bench bench.yaml"): Rule(
        "supplies", on_mock("hil power cycle left")
    ),
    (
        "boards/README.md",
        "hil discover /dev/ttyUSB0 socket://10.0.0.5:4000 --baud 115200 -o bench.yaml",
    ): Rule("boards", on_ports("hil discover PORTS --baud 115200 -o bench.yaml")),
    (
        "boards/README.md",
        "hil-agent --port tcp:0.0.0.0:4000 --token-file hil-token",
    ): Rule(
        "a port number that is free",
        "hil-agent --port tcp:127.0.0.1:0 --token-file hil-token",
        says="port tcp://127.0.0.1:",
        code=-signal.SIGINT,
    ),
    (
        "csrc/port/linux/EXEC.md",
        "hil-agent --port /dev/serial0 "
        "--exec filter=/usr/local/bin/ab_filter --exec net=/opt/net,--engine,/opt/e.plan",
    ): Rule(
        "a board",
        f"hil-agent --port pty --exec filter={EXAMPLE} --exec net={EXAMPLE},--engine,/opt/e.plan",
        says="port /dev/pts/",
        code=-signal.SIGINT,
    ),
    (
        "csrc/port/linux/EXEC.md",
        "HIL_EXEC='filter=/usr/local/bin/ab_filter' hil run scenario.yaml",
    ): Rule(
        "an installed program",
        f"cc -O2 -o ab_filter {EXAMPLE} && HIL_EXEC=filter=$PWD/ab_filter hil run scenario.yaml",
    ),
    (
        "csrc/port/linux/EXEC.md",
        "HIL_EXEC='filter=/usr/local/bin/ab_filter' hil run recorded.yaml",
    ): Rule(
        "an installed program",
        f"cc -O2 -o ab_filter {EXAMPLE} && HIL_EXEC=filter=$PWD/ab_filter hil run recorded.yaml",
    ),
}

SLOW = {
    ("scenarios/REDUNDANCY.md", "hil compare orbit-following"),
    ("boards/README.md", "cmake -S csrc -B agent"),
    ("scenarios/ORBIT.md", ".venv/bin/pip install -q '.[plot]'"),
    ("scenarios/CAMPAIGNS.md", "hil campaign dropped-state-scrub"),
    ("scenarios/CAMPAIGNS.md", "hil compare build-b.campaign"),
    ("boards/README.md", "hil board build"),
    ("scenarios/WORKLOADS.md", ".venv/bin/pip install -q '.[campaign]'"),
    ("boards/README.md", "sudo apt-get install"),
    ("boards/README.md", "hil board emulate"),
    ("csrc/README.md", "cmake -S csrc"),
    ("csrc/README.md", "clang"),
}
"""Blocks that take long, or need what takes long: by document, and how they begin."""

SESSIONS = {
    "README.md",
    "boards/README.md",
    "csrc/port/linux/EXEC.md",
    "scenarios/stories/README.md",
    *(f"scenarios/{path.name}" for path in (ROOT / "scenarios").glob("*.md")),
}
"""The blocks of each are one session of up to minutes: each needs what those above it have made."""

COMMON = "scenarios/README.md"
"""The readers of all documents have its files."""

# YAML blocks: what each is, and under which name the commands of its document find it. A part of a
# file is put into the place where it belongs.
YAML = {
    ("scenarios/RUNS.md", "alarms:"): ("part of a scenario", ""),
    ("scenarios/ORBIT.md", "plant:", "offload:"): ("part of a scenario", ""),
    ("scenarios/README.md", "schema: 1", "workload:"): ("scenario", "my-scenario.yaml"),
    ("scenarios/TESTING.md", "# flight.yaml"): ("scenario", "flight.yaml"),
    ("boards/README.md", "schema: 1", "name: pi"): ("bench", "bench.yaml"),
    ("boards/README.md", "workload: sha256"): ("scenario", "first.yaml"),
    ("boards/README.md", "schema: 1", "ssh:"): ("bench", ""),
    ("boards/README.md", "schema: 1", "token_file"): ("bench", ""),
    ("boards/README.md", "schema: 1", "labgrid"): ("bench", ""),
    ("boards/README.md", "schema: 1", "name: left"): ("bench", ""),
    ("boards/README.md", "power: {kind: scpi"): ("parts of a board of a bench", ""),
    ("boards/README.md", "console_patterns:"): ("part of a scenario", ""),
    ("boards/README.md", "console:"): ("part of a board of a bench", ""),
    ("boards/README.md", "power:", "kind: template"): ("part of a board of a bench", ""),
    ("boards/README.md", "power:", "snmpset"): ("part of a board of a bench", ""),
    ("csrc/port/linux/EXEC.md", "workload: exec", "init_s"): ("part of a scenario", ""),
    ("csrc/port/linux/EXEC.md", "workload: exec", "recorded"): ("scenario", "recorded.yaml"),
    ("csrc/port/linux/EXEC.md", "workload: exec", "region"): ("part of a scenario", ""),
    ("csrc/port/linux/EXEC.md", "workload: exec"): ("scenario", "scenario.yaml"),
}
BASE = {"workload": "attitude", "frames": 100}

# Samples of output: the command whose output they show.
SAMPLES = {
    ("scenarios/RUNS.md", "✔ PASS   quickstart"): "hil run quickstart",
    (
        "README.md",
        "✔ PASS   quickstart",
    ): "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/hil run quickstart",
    ("scenarios/RUNS.md", "frame      time  verdict"): "hil replay RUN",
    ("scenarios/ORBIT.md", "leo-iss-day: 24:00:00.000"): "hil orbit leo-iss-day",
    (
        "scenarios/CAMPAIGNS.md",
        "target  bytes     faults",
    ): "hil campaign memory-storm --exact --boards process",
    (
        "scenarios/CAMPAIGNS.md",
        "B has 1.52 times the silent corruptions",
    ): "hil compare build-a.campaign build-b.campaign",
    (
        "scenarios/REDUNDANCY.md",
        "scheme   available  wrong",
    ): "hil compare memory-storm --schemes simplex,dmr,tmr --boards inproc --frames 500",
    ("scenarios/CAMPAIGNS.md", "target     faults  samples"): (
        "hil campaign memory-storm --sampled --boards process --targets state,heap "
        "--frames 0:100:10 --precision 0.02 --out drawn.campaign"
    ),
    (
        "scenarios/CAMPAIGNS.md",
        "node  target      faults",
    ): "hil campaign memory-storm --scheme-proof --confirm 2 --boards process",
    (
        "scenarios/CAMPAIGNS.md",
        "recorded    sdc:",
    ): "hil campaign memory-storm.campaign --repeat 101.3",
}
TABLE = ("scenarios/RUNS.md", "┌────┬")
"""What sqlite3 shows of the second query before it."""

DRAWINGS = {
    (".github/ARCHITECTURE.md", "wire -> scenario"),
    ("README.md", "your computer: `hil run`"),
    ("csrc/README.md", "kernel            <-   wire"),
    ("csrc/SPEC.md", "7       0"),
    ("csrc/SPEC.md", "+---+------+---"),
    ("csrc/SPEC.md", "+----------+--------+", "or continued"),
    ("csrc/SPEC.md", "+-------+---", "change of the"),
    ("csrc/SPEC.md", "+------------------+---", "4 x byte + space"),
}
NOT_THERE_YET = {"hil export"}


def key_of(table: object, block: Block) -> tuple[str, ...] | None:
    """The entry of a table that means this block: its document, how it begins, what it holds."""
    assert isinstance(table, (dict, set))
    for key in table:
        document, begins, *holds = key
        if document == block.document and block.first.startswith(begins):
            if all(word in block.text for word in holds):
                return tuple(key)
    return None


def param(block: Block) -> object:
    marks = [pytest.mark.slow] if key_of(SLOW, block) or block.document in SESSIONS else []
    if marks and "emulat" in block.text:
        marks.append(pytest.mark.emulated)
    return pytest.param(block, id=block.place, marks=marks)


# --- nothing is left out --------------------------------------------------------------------------


def test_there_are_documents_with_blocks() -> None:
    known = {"README.md", "boards/README.md", "csrc/README.md", "csrc/SPEC.md"}
    assert known | {"csrc/port/linux/EXEC.md"} <= {block.document for block in BLOCKS}
    assert len(BY_LANGUAGE["sh"]) > 15 and len(BY_LANGUAGE["yaml"]) > 5


def test_every_block_is_run_or_checked() -> None:
    """Shell and Python blocks are run without being named here; all others are named above."""
    unknown = []
    for block in BLOCKS:
        kinds: dict[str, Callable[[Block], object]] = {
            "sh": lambda _: True,
            "python": lambda _: True,
            "yaml": lambda b: key_of(YAML, b),
            "text": lambda b: key_of(SAMPLES, b) or key_of({TABLE}, b),
            "": lambda b: key_of(DRAWINGS, b),
            # tests/rig/console/test_console_log.py reads them
            "log": lambda b: b.document == "boards/README.md",
            "udev": lambda b: 'ATTR{latency_timer}="1"' in b.text,  # a rule is carried out by udev
            # tests/rig/test_port_server.py runs it
            "ser2net": lambda b: b.document == "boards/README.md",
            # tests/documents/test_extending.py applies them
            "diff": lambda b: b.document == ".github/EXTENDING.md",
            "bytes": lambda b: b.document == "csrc/SPEC.md",  # tests/wire/test_spec.py reads them
        }
        known = kinds.get(block.language)
        if known is None or not known(block):
            unknown.append(f"{block.place}: {block.language or 'no language'}: {block.first}")
    assert not unknown, "say in test_documents.py what these are:\n" + "\n".join(unknown)


def test_no_exception_is_left_over() -> None:
    commands = {(b.document, c) for b in BY_LANGUAGE["sh"] for c in commands_of(b.text)}
    assert [key for key in RULES if key not in commands] == []
    for table in (YAML, SAMPLES, SLOW, DRAWINGS, {TABLE}):
        for key in table:
            assert [b for b in BLOCKS if key_of({key}, b)], key


def test_no_conflict_of_a_merge_is_left() -> None:
    for path in documents():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^(<<<<<<< |>>>>>>> |=======$)", text, re.MULTILINE), name_of(path)


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(path: Path) -> None:
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        if not page.exists() or (anchor and anchor not in anchors_of(page)):
            wrong.append(f"{name_of(path)}: {target}")
    assert not wrong, "\n".join(wrong)


def test_every_page_is_reached_from_readme() -> None:
    """By links, from page to page; the forms and changes of .github are GitHub's own."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or not path.exists():
            continue
        reached.add(path)
        links = re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", prose_of(path))
        waiting += [(path.parent / link).resolve() for link in links if ":" not in link]
    assert [name_of(path) for path in documents() if path not in reached] == []


def test_no_code_hides_outside_of_blocks() -> None:
    """Markdown takes four spaces for a block, too: nobody would run it."""
    for path in documents():
        lines = prose_of(path).splitlines()
        in_list = False
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*(?:[-*]|\d+\.) ", line):
                in_list = True
            elif line and not line.startswith(" "):
                in_list = False
            hidden = line.startswith("    ") and not in_list and not lines[number - 2].strip()
            assert not hidden, f"{name_of(path)}:{number}: use a fenced block with a language"


def test_what_ci_carries_out_is_there() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert [rule.by for rule in RULES.values() if rule.by not in script] == []


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", BY_LANGUAGE["sh"], ids=lambda b: b.place)
def test_commands_have_the_options_that_they_name(block: Block) -> None:
    """Whether they can be run here or not."""
    for command in commands_of(block.text):
        for part in command.split("&&"):
            words = own_words(part.strip())
            if words.startswith("hil "):
                assert misuse(words) == "", f"{block.place}: {words}"


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_commands_within_the_text_exist(path: Path) -> None:
    wrong = []
    for line, span in spans_of(path):
        words = own_words(span)
        if words.startswith("hil ") and words not in NOT_THERE_YET:
            words = re.sub(r" -[a-z]$", "", words)  # `hil orbit -o`: with a file
            if told := misuse(words.replace("…", "x").replace("...", ""), whole=False):
                wrong.append(f"{name_of(path)}:{line}: {span}: {told}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda p: p.stem)
def test_commands_in_the_comments_of_scenarios_exist(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.match(r"#\s{2,}(hil .*)", line)
        if found:
            words = re.split(r"\s{2,}|\s#", found[1])[0]
            assert misuse(words) == "", f"{path.name}: {words}"


def test_commands_that_messages_name_exist() -> None:
    """What a message tells to do can be done: `hil ...` in backticks, or as the whole remedy."""
    wrong = []
    for path in sorted((ROOT / "hil").rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            texts: list[str] = []
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                    texts += [node.value.value] if node.value.value.startswith("hil ") else []
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts += [" ".join(t.split()) for t in re.findall(r"`(hil [^`]+)`", node.value)]
            for text in texts:
                words = re.split(r",| or |; ", text.replace("...", ""))[0]
                words = re.sub(r" -[a-z]$", "", words)
                told = misuse(words, whole=False)
                if words.strip() != "hil" and told:
                    line = node.lineno if isinstance(node, (ast.keyword, ast.Constant)) else 0
                    wrong.append(f"{path.relative_to(ROOT)}:{line}: {text}: {told}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def readers(
    tmp_path_factory: pytest.TempPathFactory, ready: ReadyHil
) -> Iterator[Callable[[str], Reader]]:
    """A reader for each document, who has its YAML blocks as files."""
    made: dict[str, Reader] = {}

    def reader_of(document: str) -> Reader:
        if document not in made:
            folder = tmp_path_factory.mktemp(re.sub(r"\W", "-", document))
            reader = made[document] = Reader(folder, ready)
            for block in BY_LANGUAGE["yaml"]:
                key = key_of(YAML, block)
                if key is not None and YAML[key][1] and key[0] in {document, COMMON}:
                    text = block.text
                    if YAML[key][0] == "bench":
                        text = re.sub(r"port: [^,}\s]+", f"port: {reader.ports(1)[0]}", text)
                    reader.write(YAML[key][1], text)
            if document == "csrc/README.md":
                for name in ("csrc", "tests"):
                    (folder / name).symlink_to(ROOT / name)
        return made[document]

    yield reader_of
    for reader in made.values():
        reader.close()


RUNS_BESIDE = re.compile(r"--out (\S+)")


def carry_out(reader: Reader, document: str, command: str) -> None:
    if command.startswith(".venv/bin/pip install"):
        return  # a network; tests/test_extras.py knows the extras that it names
    rule = RULES.get((document, command), Rule())
    if command.startswith("clang ") and shutil.which("clang") is None:
        pytest.skip("there is no clang here")
    if rule.when is not None:
        if not rule.when():
            pytest.skip(f"`{command}` needs {rule.needs}")
    elif rule.needs and not rule.instead:
        return
    own = re.sub(r"(?<!\w)/tmp(?=/)", str(reader.folder), command)
    line = rule.instead(reader) if callable(rule.instead) else rule.instead or own
    line = re.sub(r"\bRUN\b", lambda _: reader.run, line)
    resumed = re.fullmatch(r"hil run --resume (\S+)", line)
    if rule.says:
        reader.serve(line, rule.says, rule.code)
    elif line.endswith("&"):
        reader.start(line, RUNS_BESIDE.findall(line)[0])
    elif resumed:  # after a power cut
        reader.end(resumed[1], signal.SIGKILL, -signal.SIGKILL)
        reader.start(line, resumed[1])
        reader.end(resumed[1], signal.SIGINT, 130)
    elif line.startswith("sqlite3 "):
        query(reader, command, line)
    else:
        reader.do(line, rule.code, command)


def query(reader: Reader, written: str, line: str) -> None:
    """The same question in Python: the program sqlite3 is not on every computer."""
    database, sql = shlex.split(line)[-2:]
    with closing(sqlite3.connect(reader.folder / database)) as db:
        cursor = db.execute(sql)
        rows = cursor.fetchall()
        header = [column[0] for column in cursor.description]
    reader.outputs[written] = json.dumps([header, *rows])


@pytest.mark.parametrize("block", [param(b) for b in BY_LANGUAGE["sh"]])
def test_commands_do_what_they_are_said_to_do(
    block: Block, readers: Callable[[str], Reader]
) -> None:
    read_up_to(block, readers(block.document))


def read_up_to(block: Block, reader: Reader) -> None:
    """Carry out a block, and before it those that stand above it (but for slow ones): they make
    what it needs. Nothing is done twice."""
    above = [b for b in BY_LANGUAGE["sh"] if b.document == block.document and b.line < block.line]
    for each in [*(b for b in above if not key_of(SLOW, b)), block]:
        if each.line in reader.done:
            continue
        reader.done.add(each.line)
        for command in commands_of(each.text):
            carry_out(reader, each.document, command)


def printed(reader: Reader, document: str, command: str) -> str:
    """What a command of a document printed; it is carried out first, if it was not."""
    (block, *_) = [
        b for b in BY_LANGUAGE["sh"] if b.document == document and command in commands_of(b.text)
    ]
    read_up_to(block, reader)
    return reader.outputs[command]


@pytest.mark.slow
def test_boards_and_their_simulation_have_the_digest_that_its_page_promises(
    readers: Callable[[str], Reader],
) -> None:
    reader = readers("scenarios/RUNS.md")
    told = [
        json.loads(printed(reader, "scenarios/RUNS.md", command).splitlines()[-1])
        for command in (
            ON_BENCH,
            "hil run memory-storm --boards inproc --json",
        )
    ]
    assert told[0]["run_digest"] == told[1]["run_digest"]


@pytest.mark.slow
def test_what_was_ordered_is_in_the_record(readers: Callable[[str], Reader]) -> None:
    reader = readers("scenarios/RUNS.md")
    printed(reader, "scenarios/RUNS.md", "hil control steered status")
    ordered = [
        command.split()[3]
        for command in reader.outputs
        if command.startswith("hil control steered ")
    ]
    with closing(sqlite3.connect(reader.folder / "steered" / "run.db")) as db:
        recorded = [row[0] for row in db.execute("SELECT command FROM commands ORDER BY id")]
    assert recorded == [command for command in ordered if command != "status"]
    assert len(recorded) >= 4


# --- YAML -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", BY_LANGUAGE["yaml"], ids=lambda b: b.place)
def test_yaml_is_right(block: Block, tmp_path: Path) -> None:
    key = key_of(YAML, block)
    assert key is not None
    kind = YAML[key][0]
    content = yaml.safe_load(block.text) if "of a board" not in kind else None
    if kind == "part of a scenario":
        block_text = yaml.safe_dump({**BASE, **(content or {})}, sort_keys=False)
        kind = "scenario"
    elif kind == "parts of a board of a bench":
        parts = block.text.splitlines()
        entries = [f"  - {{name: b{n}, port: /dev/ttyS{n}, {p}}}" for n, p in enumerate(parts)]
        block_text = "\n".join(["schema: 1", "boards:", *entries])
        kind = "bench"
    elif kind == "part of a board of a bench":
        part = textwrap.indent(block.text, "    ")
        block_text = f"schema: 1\nboards:\n  - name: b\n    port: /dev/ttyS0\n{part}"
        kind = "bench"
    else:
        block_text = block.text
    path = tmp_path / "block.yaml"
    path.write_text(block_text, encoding="utf-8")
    (tmp_path / "hil-token").touch(mode=0o600)
    (tmp_path / "hil-token").write_text("of a block before that one")
    found = check(str(path))
    assert found.ok, "\n".join(str(problem) for problem in found.problems)
    assert found.kind == kind


# --- what you see ---------------------------------------------------------------------------------


def sample_param(block: Block) -> object:
    key = key_of(SAMPLES, block)
    command = "" if key is None else SAMPLES[(key[0], key[1])]  # type: ignore[index]
    slow = block.document in SESSIONS or command.startswith(("hil orbit", "hil compare"))
    return pytest.param(block, id=block.place, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(
    "block", [sample_param(b) for b in BY_LANGUAGE["text"] if not key_of({TABLE}, b)]
)
def test_samples_of_output_have_the_shape_of_real_output(
    block: Block, readers: Callable[[str], Reader]
) -> None:
    """A sample, but for its numbers, is what the command prints here: without a gap, except where
    it shows one (…)."""
    key = key_of(SAMPLES, block)
    assert key is not None
    told = printed(readers(block.document), block.document, SAMPLES[(key[0], key[1])])
    real = shape(told)  # in one line: a terminal may be narrower
    parts = re.split(r"^\s*…\s*$", block.text, flags=re.MULTILINE)
    missing = [part for part in parts if shape(part) not in real]
    assert not missing, "\n".join(["not in the real output:", *missing, "", told])


@pytest.mark.slow
def test_the_table_of_upsets_is_what_the_query_gives(readers: Callable[[str], Reader]) -> None:
    (block,) = [b for b in BY_LANGUAGE["text"] if key_of({TABLE}, b)]
    cells = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in block.text.splitlines()
        if "│" in line
    ]
    (before,) = [
        b
        for b in BY_LANGUAGE["sh"]
        if b.first.startswith("sqlite3") and b.document == block.document
    ]
    query_ = commands_of(before.text)[1]
    header, *rows = json.loads(printed(readers(block.document), block.document, query_))
    assert cells[0] == header
    portable = [row for row in cells[1:] if row[3] in ("state", "input", "output")]
    assert len(portable) >= 3, "these are the same on every board"
    for row in portable:
        assert row in [[str(cell) for cell in r] for r in rows]


def test_the_scenarios_of_the_table_are_the_shipped_ones() -> None:
    pages = ("scenarios/README.md", *sorted(SESSIONS), "boards/README.md")
    prose = "\n".join(prose_of(ROOT / name) for name in pages)
    table = re.findall(r"^\| `([a-z-]+)` \|", prose.partition("## A scenario")[2], re.MULTILINE)
    names = set(assets.list_scenarios())
    assert {"nominal", "quickstart", "two-faults"} <= names & set(table)
    blocks = "\n".join(block.text for block in BLOCKS)
    assert [name for name in names if f"`{name}`" not in prose and name not in blocks] == []


@pytest.mark.slow
def test_the_tests_of_a_bench_run_as_boards_readme_says(
    readers: Callable[[str], Reader],
) -> None:
    """The contract's first test, on one of the reader's boards; all of them take a minute."""
    (line,) = {span for _, span in spans_of(ROOT / "boards/README.md") if "pytest" in span}
    bench = readers("boards/README.md").folder / "bench.yaml"
    words = shlex.split(line.replace("bench.yaml", str(bench)))
    done = subprocess.run(
        [BIN / words[0], *words[1:], "-q", "-p", "no:cacheprovider", "-k", "says_who"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


# --- the tests themselves -------------------------------------------------------------------------


def test_a_wrong_option_is_found() -> None:
    assert "--nope" in misuse("hil run quickstart --nope")
    assert "house" in misuse("hil schema house")
    assert "bord" in misuse("hil bord list")
    assert misuse("hil replay") and not misuse("hil replay", whole=False)


def test_a_scenario_of_readme_with_a_node_that_is_not_there_is_found() -> None:
    (block,) = [b for b in BY_LANGUAGE["yaml"] if "workload: attitude" in b.text]
    with pytest.raises(ValueError, match="n1"):
        parse_scenario(block.text.replace("node: a", "node: n1"))

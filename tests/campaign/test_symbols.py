"""Functions and source lines of instructions, against binutils."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hil.campaign.symbols import symbols_of

PROGRAM = """\
static __attribute__((noinline)) int twice(int x) {
  return 2 * x;
}

int answer(int x) {
  return twice(x) + 1;
}

int main(int argc, char **argv) {
  (void)argv;
  return answer(argc);
}
"""
pytest.importorskip("elftools", reason="the extra `campaign` is not installed")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("cc", "nm", "addr2line", "objdump"))), reason="no binutils"
)


def output(*words: object) -> str:
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=True
    ).stdout


def built(folder: Path, *flags: str) -> Path:
    (folder / "program.c").write_text(PROGRAM)
    output("cc", "-O1", "-no-pie", *flags, "-o", folder / "program", folder / "program.c")
    return folder / "program"


def instructions(program: Path) -> dict[int, bytes]:
    """The instructions of the program's own functions, by objdump."""
    content: dict[int, bytes] = {}
    wanted = False
    for line in output("objdump", "-d", "-w", program).splitlines():
        if line.endswith(">:"):
            wanted = line.split("<")[1][:-2] in ("twice", "answer", "main")
        elif wanted and line.startswith(" "):
            address, code, *_ = line.split("\t")
            content[int(address.rstrip(":"), 16)] = bytes.fromhex(code.replace(" ", ""))
    assert len(content) > 5
    return content


@pytest.mark.parametrize("version", [4, 5])
def test_places_are_those_that_binutils_finds(tmp_path: Path, version: int) -> None:
    program = built(tmp_path, "-g", f"-gdwarf-{version}")
    content = instructions(program)
    found = symbols_of(program.read_bytes(), content)
    assert found.sources == {"program.c": PROGRAM}
    for address in content:
        function, where = output("addr2line", "-f", "-e", program, hex(address)).splitlines()
        file, line = where.split(" ")[0].rsplit(":", 1)
        place = found.places[address]
        assert (place.symbol, place.file, place.line) == (function, Path(file).name, int(line))


def test_a_program_without_line_tables_has_functions(tmp_path: Path) -> None:
    program = built(tmp_path)
    found = symbols_of(program.read_bytes(), instructions(program))
    assert {place.symbol for place in found.places.values()} == {"twice", "answer", "main"}
    assert {place.file for place in found.places.values()} == {""}
    assert found.sources == {}


def test_a_stripped_program_has_no_names(tmp_path: Path) -> None:
    content = instructions(built(tmp_path))
    stripped = built(tmp_path, "-s")
    found = symbols_of(stripped.read_bytes(), content)
    assert {place.symbol for place in found.places.values()} <= {""}


def test_another_program_names_nothing(tmp_path: Path) -> None:
    program = built(tmp_path, "-g")
    content = {address: code[::-1] + b"\1" for address, code in instructions(program).items()}
    assert symbols_of(program.read_bytes(), content).places == {}


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\2\1\1" + bytes(57)])
def test_what_is_no_executable_names_nothing(content: bytes) -> None:
    assert symbols_of(content, {0x1000: b"\x90"}).places == {}
    assert symbols_of(None, {0x1000: b"\x90"}).places == {}

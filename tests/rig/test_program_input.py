"""The inputs of a program: recorded in a file, or written down in the scenario."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.doctor.files import check
from hil.engine.loop import Loop
from hil.errors import ConfigError
from hil.record.reader import Reader
from hil.rig.program import golden_run
from hil.rig.program_options import ProgramOptions
from hil.scenario import Scenario, load
from hil.scenario.program import ExecInputConfig
from hil.scenario.program_input import read_inputs
from hil.verification.replay import verify

from .contract import SEED

A, B, C = "0a00000000000000", "f6ffffffffffffff", "0102030405060708"


def write(folder: Path, given: str, frames: int = 3, name: str = "recorded.yaml") -> Path:
    path = folder / name
    path.write_text(
        f"workload: exec\nexec:\n  program: c\n  input: {given}\nframes: {frames}\n"
        "rig: {scheme: tmr, board: process}\ntimeouts: {calibration_frames: 4}\n",
        encoding="utf-8",
    )
    return path


def problems_of(path: Path) -> list[str]:
    return [str(problem) for problem in check(str(path)).problems]


# --- what a file may hold -------------------------------------------------------------------------


def test_lines_of_hexadecimal_digits(tmp_path: Path) -> None:
    text = f"# three inputs\n\n{A}\n{B.upper()}  # the second\n01 02 03 04 05 06 07 08\n"
    (tmp_path / "in.hex").write_text(text)
    inputs = read_inputs(ExecInputConfig(hex=str(tmp_path / "in.hex")))
    assert inputs.length == 8
    assert [inputs.of(frame, 8).hex() for frame in range(4)] == [A, B, C, A]
    assert inputs.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_bytes_and_a_sequence(tmp_path: Path) -> None:
    (tmp_path / "in.raw").write_bytes(bytes(range(16)))
    raw = read_inputs(ExecInputConfig(raw=str(tmp_path / "in.raw")))
    assert (raw.length, raw.of(1, 8)) == (0, bytes(range(8, 16)))
    assert read_inputs(ExecInputConfig(sequence=(A, B))).of(3, 8).hex() == B


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (f"{A}\nxyz\n{B}\n0a\n", {":2:1: 'xyz' is not an input", ":4:1: an input of 1 bytes"}),
        (f"{A}\n{A[:-1]}\n", {":2:1: "}),
        ("00" * 257 + "\n", {":1:1: an input of 257 bytes; expected 1 to 256"}),
        ("# nothing\n", {": there is no input in it"}),
        ("", {": there is no input in it"}),
        ("\xff\x00\n", {":1:1: "}),
    ],
)
def test_a_wrong_line_is_named_with_file_and_line(
    tmp_path: Path, text: str, places: set[str]
) -> None:
    (tmp_path / "in.hex").write_text(text, encoding="latin-1")
    found = problems_of(write(tmp_path, "{hex: in.hex, repeat: true}"))
    assert len(found) == len(places)
    for place in places:
        assert any(problem.startswith(f"{tmp_path / 'in.hex'}{place}") for problem in found), found


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("{}", "no inputs are given; expected one of hex, raw, sequence"),
        ("{hex: a, raw: b}", "hex and raw are given; expected one of hex, raw, sequence"),
        ("{raw: /dev/zero}", "/dev/zero: it is not a regular file"),
        ("{hex: pipe}", "pipe: it is not a regular file"),
        ("{sequence: []}", "there is no input in it"),
        (f'{{sequence: ["{A}", "00"]}}', "an input of 1 bytes; expected 8"),
        ('{sequence: ["0g"]}', "is not an input"),
        (f'{{sequence: ["{A}"], sha256: "{"0" * 64}"}}', "there is no file"),
        ("{hex: in.hex, sha256: abc}", "is not a SHA-256"),
        ("{raw: missing.raw}", "cannot be read: No such file"),
        (f'{{sequence: ["{A}", "{B}"]}}', "2 inputs for 3 frames"),
    ],
)
def test_inputs_that_cannot_be_used_are_refused(tmp_path: Path, given: str, what: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (found,) = problems_of(write(tmp_path, given))
    assert what in found


def test_a_file_is_found_beside_the_scenario_and_its_digest_is_filled_in(tmp_path: Path) -> None:
    (tmp_path / "in.hex").write_text(f"{A}\n{B}\n{C}\n")
    given = load(write(tmp_path, "{hex: in.hex}")).scenario.exec
    assert given is not None and given.input is not None
    assert given.input.file == str(tmp_path / "in.hex")
    assert given.input.sha256 == hashlib.sha256((tmp_path / "in.hex").read_bytes()).hexdigest()
    (tmp_path / "in.hex").write_text(f"{A}\n{B}\n{B}\n")
    with pytest.raises(ConfigError, match="the file has changed"):
        read_inputs(given.input)


# --- what the program is given --------------------------------------------------------------------


def options(given: ExecInputConfig, frames: int | None = None) -> ProgramOptions:
    return ProgramOptions(inputs=read_inputs(given), frames=frames)


@pytest.mark.ptrace
def test_the_golden_run_has_these_inputs(allow: Callable[..., None]) -> None:
    golden = golden_run("exec:c", SEED, options(ExecInputConfig(sequence=(A, B), repeat=True)))
    assert [golden.input_of(frame).hex() for frame in range(3)] == [A, B, A]
    golden.step()
    golden.step()
    assert golden.input.hex() == B


@pytest.mark.ptrace
@pytest.mark.parametrize(
    ("data", "frames", "what"),
    [
        (bytes(17), None, "expected a multiple of 8"),
        (bytes(16), 3, "2 inputs for 3 frames"),
    ],
)
def test_bytes_that_do_not_fit_the_program_are_refused(
    tmp_path: Path, allow: Callable[..., None], data: bytes, frames: int | None, what: str
) -> None:
    (tmp_path / "in.raw").write_bytes(data)
    with pytest.raises(ConfigError, match=what):
        golden_run("exec:c", SEED, options(ExecInputConfig(raw=str(tmp_path / "in.raw")), frames))


@pytest.mark.ptrace
def test_inputs_of_another_length_are_refused(allow: Callable[..., None]) -> None:
    with pytest.raises(ConfigError, match="the program expects 8 bytes"):
        golden_run("exec:c", SEED, options(ExecInputConfig(sequence=("00",))))


@pytest.mark.ptrace
@pytest.mark.timeout(180)
def test_a_run_is_bound_to_its_inputs(tmp_path: Path, allow: Callable[..., None]) -> None:
    (tmp_path / "in.hex").write_text(f"{A}\n{B}\n{C}\n")
    scenario = load(write(tmp_path, "{hex: in.hex, repeat: true}", 30)).scenario
    digests = set()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        result = Loop(scenario, tmp_path / name).run()
        assert result.outcome == "pass", result
        digests.add(result.run_digest)
    other = load(write(tmp_path, f'{{sequence: ["{A}"], repeat: true}}', 30)).scenario
    (tmp_path / "other").mkdir()
    digests.add(Loop(other, tmp_path / "other").run().run_digest)
    assert len(digests) == 2  # the same inputs, and others

    def verified() -> str:
        reader = Reader(tmp_path / "first")
        try:
            out = verify(reader)
        finally:
            reader.close()
        assert out.ok
        return " ".join([*out.covered, *out.not_covered])

    assert "have the recorded SHA-256" in verified()
    (tmp_path / "in.hex").write_text(f"{A}\n")
    assert "are not there any more" in verified()
    with pytest.raises(ConfigError, match="the file has changed"):
        Loop(Scenario.model_validate(scenario.model_dump(by_alias=True)), tmp_path / "again")

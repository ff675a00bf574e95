"""`hil check`, `hil schema`, `hil doctor`, and what `hil` alone says."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml

from hil import __version__, assets
from hil.check_state import CheckState
from hil.doctor import computer
from hil.doctor.computer import possible
from hil.doctor.findings import Check, run_check
from tests.command_line import Hil

BENCH = "schema: 1\nboards:\n  - {name: a, port: /dev/ttyUSB0}\n"
SHIPPED = sorted(assets.scenarios_dir().glob("*.yaml"))


# --- check ----------------------------------------------------------------------------------------


def test_every_shipped_scenario_is_right(hil: Hil) -> None:
    for sources in (SHIPPED, [path.stem for path in SHIPPED]):
        done = hil("check", *sources)
        assert done.code == 0, done.err
        assert done.out.count("✔ ok") == len(SHIPPED)
        assert done.err == ""


def test_what_a_file_is_is_told_by_its_content(hil: Hil) -> None:
    hil.write("some.yaml", BENCH)
    profile = (assets.boards_dir() / "raspberry-pi-5.yaml").read_text(encoding="utf-8")
    hil.write("my-board.yaml", profile.replace("name: raspberry-pi-5", "name: my-board", 1))
    done = hil("check", "some.yaml", "quickstart", "my-board.yaml", "raspberry-pi-5", "--json")
    assert done.code == 0
    kinds = [f["kind"] for f in done.json["files"]]
    assert kinds == ["bench", "scenario", "board", "board"]


def test_every_shipped_board_profile_is_right(hil: Hil) -> None:
    profiles = sorted(assets.boards_dir().glob("*.yaml"))
    done = hil("check", *profiles)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("✔ ok") == len(profiles) == done.out.count("board profile ")


def test_all_problems_of_a_board_profile_are_told_with_their_lines(hil: Hil) -> None:
    text = (assets.boards_dir() / "raspberry-pi-5.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    family = next(n for n, line in enumerate(lines) if line.startswith("family:"))
    source = next(n for n, line in enumerate(lines) if line.startswith("memory_mib:"))
    lines[family] = "family: toaster"
    lines[source] = "memory_mib: {value: 8192}"
    hil.write("raspberry-pi-5.yaml", "\n".join([*lines, "colour: red"]))
    done = hil("check", "./raspberry-pi-5.yaml")
    assert done.code == 2
    for line, what in (
        (family, "raspberry-pi, jetson"),
        (source, "expected `source:` or `assumption:`"),
        (len(lines), "unknown key"),
    ):
        (told,) = [t for t in done.err.splitlines() if f"raspberry-pi-5.yaml:{line + 1}:" in t]
        assert what in told
    assert "3 problems in 1 of 1 files" in done.err


def test_half_a_board_profile_is_not_taken_for_a_scenario(hil: Hil) -> None:
    hil.write("half.yaml", "schema: 1\nname: half\nfamily: pc\nsoc: x\n")
    done = hil("check", "half.yaml")
    assert done.code == 2
    assert "$.radiation: this key is missing" in done.err and "workload" not in done.err


def test_all_problems_of_all_files_are_told(hil: Hil) -> None:
    hil.write("one.yaml", "workload: infer\nframes: -1\ncolour: red\n")
    hil.write("two.yaml", BENCH.replace("name", "nome") + "extra: 1\n")
    done = hil("check", "one.yaml", "quickstart", "two.yaml", "nowhere", "./gone.yaml")
    assert done.code == 2
    assert done.out.count("ok") == 1
    for place in ("one.yaml:2:", "one.yaml:3:", "two.yaml:3:", "two.yaml:4:", "nowhere", "gone"):
        assert place in done.err
    assert "in 4 of 5 files" in done.err
    as_json = hil("check", "one.yaml", "quickstart", "--json")
    assert as_json.code == 2
    assert as_json.json["ok"] is False
    assert [f["ok"] for f in as_json.json["files"]] == [False, True]
    assert {p["line"] for p in as_json.json["files"][0]["problems"]} == {2, 3}


def test_check_of_nothing_exits_2(hil: Hil) -> None:
    assert hil("check").code == 2


# --- schema ---------------------------------------------------------------------------------------


def test_a_schema_that_there_is_not_is_named_without_words_of_a_library(hil: Hil) -> None:
    done = hil("schema", "foo")
    assert done.code == 2 and "'foo' is not one of 'scenario', 'bench', 'board'" in done.err
    assert "alue error" not in done.err


def test_shipped_scenarios_follow_the_schema(hil: Hil) -> None:
    schema = json.loads(hil("schema").out)
    assert schema == json.loads(hil("schema", "scenario").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in SHIPPED[:3]:  # tests/scenario has all of them
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        validator.validate(json.loads(json.dumps(loaded, default=str)))  # moments: text in JSON


def test_a_bench_follows_its_schema(hil: Hil) -> None:
    schema = json.loads(hil("schema", "bench").out)
    jsonschema.validate(yaml.safe_load(BENCH), schema, jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"boards": [{}]}, schema, jsonschema.Draft202012Validator)


def test_shipped_board_profiles_follow_their_schema(hil: Hil) -> None:
    schema = json.loads(hil("schema", "board").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in sorted(assets.boards_dir().glob("*.yaml")):
        profile = yaml.safe_load(path.read_text(encoding="utf-8"))
        validator.validate(profile)
        for broken in (
            {**profile, "colour": "red"},
            {**profile, "process_nm": {"value": 7}},
            {**profile, "process_nm": {"value": 7, "source": "who says so"}},
            {**profile, "family": "toaster"},
            {key: value for key, value in profile.items() if key != "radiation"},
        ):
            assert not validator.is_valid(broken)


def test_a_schema_of_something_else_exits_2(hil: Hil) -> None:
    assert hil("schema", "house").code == 2


# --- doctor ---------------------------------------------------------------------------------------


def test_the_doctor_finds_this_computer_fit(hil: Hil) -> None:
    done = hil("doctor", "--json")
    assert done.code == 0, done.out
    assert done.json["ok"] is True
    states = {c["name"]: c["state"] for c in done.json["checks"]}
    needed = ("python", "kernel", "agent", "pty", "faults, process", "faults, inproc", "no faults")
    assert [states[name] for name in needed] == ["ok"] * len(needed)


def test_the_doctor_speaks_plainly(hil: Hil) -> None:
    done = hil("doctor")
    assert done.code == 0
    assert "scenarios can be run here" in done.out
    assert done.err == ""


@pytest.mark.parametrize("agent", ["none/such", "."])
def test_without_an_agent_the_doctor_exits_3_and_says_what_to_do(hil: Hil, agent: str) -> None:
    done = hil("doctor", env={"HIL_AGENT": str(hil.cwd / agent)})
    assert done.code == 3
    assert "MISSING agent" in done.out
    assert "try: correct or unset HIL_AGENT" in done.out
    assert "✔ ok      faults, inproc" in done.out


def test_what_is_not_needed_does_not_forbid_runs() -> None:
    good = Check("a", CheckState.OK, "", "")
    limited = Check("b", CheckState.WARN, "", "")
    missing = Check("c", CheckState.MISSING, "", "")
    assert possible([good, limited, replace(missing, needed=False)])
    assert not possible([good, missing])


@pytest.fixture
def bench_pc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A computer on which nothing is installed but the programs that are given here."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in [
        n for n in os.environ if n.startswith(("HIL_AGENT_", "HIL_EMULATED_", "HIL_QEMU"))
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(bare))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ziglang", None)

    def install(name: str, body: str) -> Path:
        path = bare / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return install


def row(name: str) -> Check:
    check, means = {
        "emulated boards": (computer._emulated_boards, "an emulated Raspberry Pi can be booted"),
        "agents": (computer._compilers, "agents for real boards can be compiled"),
    }[name]
    return run_check(name, means, check)


QEMU = 'case "$1" in --version) echo "QEMU emulator version 9.9.9";; *) echo "{} a board";; esac'


def test_the_doctor_says_what_emulated_boards_lack(
    bench_pc: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = row("emulated boards")
    assert (told.state, told.needed) == ("warn", False)
    assert "qemu-system-aarch64 is missing" in told.found and "apt install" in told.remedy
    bench_pc("qemu-system-aarch64", QEMU.format("virt"))
    assert "is not a QEMU with the machine raspi3b" in row("emulated boards").found
    bench_pc("qemu-system-aarch64", QEMU.format("raspi3b"))
    assert "no compiler for aarch64" in row("emulated boards").found
    agent = tmp_path / "agent"
    header = struct.pack(
        "<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 2, 183, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    agent.write_bytes(header)
    monkeypatch.setenv("HIL_AGENT_AARCH64", str(agent))
    told = row("emulated boards")
    assert "HIL_AGENT_AARCH64 names" in told.found and "cut off" in told.found
    agent.write_bytes(header + struct.pack("<I52x", 1))
    told = row("emulated boards")
    assert told.state == "warn" and told.found == "QEMU 9.9.9; agent built; no kernel yet"
    assert "HIL_EMULATED_KERNEL" in told.remedy
    monkeypatch.setenv("HIL_EMULATED_KERNEL", str(tmp_path / "Image"))
    assert "HIL_EMULATED_DTB is not" in row("emulated boards").found
    monkeypatch.setenv("HIL_EMULATED_DTB", str(tmp_path / "a.dtb"))
    assert "cannot be read" in row("emulated boards").found
    for name in ("Image", "a.dtb"):
        (tmp_path / name).touch()
    told = row("emulated boards")
    assert told.state == "ok" and "given by the user" in told.found


def test_the_doctor_says_for_which_boards_agents_can_be_compiled(
    bench_pc: Callable[..., Path],
) -> None:
    told = row("agents")
    assert (told.state, told.needed) == ("warn", False)
    assert told.found.startswith("for no board; not for aarch64") and "ziglang" in told.remedy
    bench_pc("aarch64-linux-gnu-gcc", "echo 'aarch64-linux-gnu-gcc 12.2.0'")
    told = row("agents")
    assert told.state == "ok" and told.found.startswith("for aarch64; not for ")


# --- hil alone ------------------------------------------------------------------------------------


def test_no_command_exits_2_with_help(hil: Hil) -> None:
    done = hil()
    assert done.code == 2
    assert done.out == ""
    assert "quickstart" in done.err


@pytest.mark.slow
def test_help_and_version_exit_0(hil: Hil) -> None:
    assert hil("--version").out.startswith(f"hil {__version__}\nkernel {__version__}, wire ")
    for words in ((), ("run",), ("replay",), ("check",), ("doctor",), ("schema",), ("perf",)):
        done = hil(*words, "--help")
        assert done.code == 0
        assert "Usage: hil" in done.out
        assert done.err == ""


def test_an_unknown_command_exits_2(hil: Hil) -> None:
    done = hil("rum")
    assert done.code == 2
    assert done.out == ""
    assert "rum" in done.err


def test_help_loads_no_engine(hil: Hil) -> None:
    code = "import hil.cli, sys; print(*(m for m in sys.modules if m.startswith('hil.')))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    commands = {"hil.control", "hil.control.words", "hil.control.commands"}  # help lists them
    commands |= {"hil.control.arguments", "hil.control.answers", "hil.json_values"}
    loaded = {m for m in done.stdout.split() if not m.startswith("hil.cli.")}
    exits = {"hil.exit_codes", "hil.run_outcome", "hil.word_enum"}
    # Defaults that help shows, and the end of commands: what is heavy in them is loaded when used.
    of_ends = {"verification", "verification.run_end"}
    of_ends |= {"report", "report.evidence", "report.evidence.kept_evidence"}
    light = {f"hil.{name}" for name in {"campaign", "campaign.step_choice"} | of_ends}
    assert loaded <= {"hil.cli", "hil.errors", "hil.printable"} | exits | commands | light


# --- perf -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_measurement_can_be_asked_for(hil: Hil) -> None:
    done = hil("perf", "--quick", "--row", "overhead", "--json")
    assert done.code == 0
    (row,) = done.json["rows"]
    assert row["ok"] is True
    assert row["value"] <= 16
    assert "wire overhead" in hil("perf", "--quick", "--row", "overhead").out


def test_an_unknown_measurement_exits_2(hil: Hil) -> None:
    done = hil("perf", "--row", "nothing")
    assert done.code == 2
    assert "overhead" in done.err

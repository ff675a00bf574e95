"""The files that `.ci/wheels OUT` writes install and run, the ones for aarch64 under qemu-user.

`HIL_WHEELS=OUT pytest -n 0 -m stress tests/test_distribution.py` installs from the network. The
Python for aarch64 comes from Debian's packages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest

from tests.command_line import clean_env

FOLDER = os.environ.get("HIL_WHEELS", "")
ARCHITECTURES = {
    "x86_64": ("EM_X86_64", "ld-linux-x86-64.so.2"),
    "aarch64": ("EM_AARCH64", "ld-linux-aarch64.so.1"),
}
"""The names in ELF of the machine, and of its loader."""
GLIBC = (2, 17)  # of manylinux2014: PEP 599
SHARED = {"libc.so.6", "libm.so.6", "libpthread.so.0"}  # some of those that PEP 599 allows
NOMINAL = ("run", "nominal", "--frames", "100", "--json")
LIMIT_S = 800

pytestmark = [
    pytest.mark.stress,
    pytest.mark.timeout(3 * LIMIT_S),
    pytest.mark.skipif(not FOLDER, reason="HIL_WHEELS=OUT names no folder that .ci/wheels wrote"),
]


def the_one(pattern: str) -> Path:
    """The file of the release; what was made for one architecture alone is tried alone."""
    found = sorted(Path(FOLDER).resolve().glob(pattern))
    if not found:
        pytest.skip(f"no {pattern} in HIL_WHEELS={FOLDER}")
    assert len(found) == 1, f"{FOLDER} has several of {pattern}: {found}"
    return found[0]


def wheel_of(architecture: str) -> Path:
    return the_one(f"hil_flight-*_{architecture}.whl")


def run(line: Sequence[object], cwd: Path, **variables: str) -> str:
    env = clean_env(**variables)
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [*map(str, line)],
        cwd=cwd,
        env=env,
        text=True,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def new_environment(folder: Path, *packages: object) -> Path:
    """The programs of a new environment that has these packages."""
    run([sys.executable, "-m", "venv", folder / "venv"], folder)
    programs = folder / "venv" / "bin"
    run([programs / "python", "-m", "pip", "install", "-q", *packages], folder)
    return programs


def digest_of(hil: Sequence[object], boards: str, cwd: Path, **variables: str) -> str:
    """The digest of a run that passed with all of its frames unanimous."""
    line = [*hil, *NOMINAL, "--boards", boards, "--out", f"run-{boards}"]
    result = json.loads(run(line, cwd, **variables))
    assert result["outcome"] == "pass" and result["verdicts"]["unanimous"] == 100
    assert re.fullmatch("[0-9a-f]{64}", result["run_digest"])
    return str(result["run_digest"])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel for x86-64, far from the sources."""
    return new_environment(tmp_path_factory.mktemp("x86_64"), wheel_of("x86_64"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with an aarch64 Python of Debian's; what is installed here is left alone."""
    missing = [name for name in ("qemu-aarch64", "apt-get", "dpkg-deb") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not found: Debian's qemu-user, apt and dpkg are needed")
    state, root = tmp_path_factory.mktemp("apt"), tmp_path_factory.mktemp("root")
    (state / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
        "Dir::Cache": state,
        "Dir::State": state,
        "Dir::State::status": state / "status",
    }
    apt = ["apt-get", "-qy", *(f"-o{name}={value}" for name, value in options.items())]
    run([*apt, "update"], state)
    wanted = ["python3", "libstdc++6"]  # numpy is C++
    run([*apt, "--download-only", "--no-install-recommends", "install", *wanted], state)
    for package in (state / "archives").glob("*.deb"):
        run(["dpkg-deb", "-x", package, root], state)
    if not (root / "lib").exists():  # a newer Debian has all of it in /usr
        (root / "lib").symlink_to("usr/lib")
    return root


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_wheel_for_every_python_by_the_stable_interface_alone(
    architecture: str, tmp_path: Path
) -> None:
    wheel = wheel_of(architecture)
    _, _, python, abi, platforms = wheel.stem.split("-")
    assert (python, abi) == ("cp310", "abi3")
    assert f"manylinux2014_{architecture}" in platforms.split(".")
    auditor = new_environment(tmp_path, "abi3audit") / "abi3audit"
    report = json.loads(run([auditor, "--strict", "--report", wheel], tmp_path))
    ((kernel,),) = [spec["wheel"] for spec in report["specs"].values()]
    result = kernel["result"]
    assert kernel["name"] == "_kernel.abi3.so" and result["is_abi3_baseline_compatible"]
    assert result["baseline"] == "3.10" and result["non_abi3_symbols"] == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_its_programs_need_no_newer_system_than_the_tag_says(architecture: str) -> None:
    elffile = pytest.importorskip("elftools.elf.elffile")
    with zipfile.ZipFile(wheel_of(architecture)) as wheel:
        names = wheel.namelist()
        (kernel,) = [name for name in names if name.endswith("hil/_kernel.abi3.so")]
        (agent,) = [name for name in names if name.endswith("scripts/hil-agent")]
        extension = elffile.ELFFile(BytesIO(wheel.read(kernel)))
        program = elffile.ELFFile(BytesIO(wheel.read(agent)))
    machine, loader = ARCHITECTURES[architecture]
    assert extension["e_machine"] == program["e_machine"] == machine
    versions = {
        aux.name
        for _, auxiliaries in extension.get_section_by_name(".gnu.version_r").iter_versions()
        for aux in auxiliaries
    }
    numbers = [tuple(map(int, re.findall(r"\d+", version))) for version in versions]
    assert numbers and all(v.startswith("GLIBC_") for v in versions) and max(numbers) <= GLIBC
    tags = extension.get_section_by_name(".dynamic").iter_tags("DT_NEEDED")
    assert {tag.needed for tag in tags} <= {*SHARED, loader}
    # at fixed addresses, and without a loader: nothing of the system is in it
    assert program["e_type"] == "ET_EXEC"
    assert all(segment["p_type"] != "PT_INTERP" for segment in program.iter_segments())


def test_the_wheel_for_x86_64_runs_in_a_new_environment(installed: Path, tmp_path: Path) -> None:
    lines = run([installed / "hil", "--version"], tmp_path).splitlines()
    version = wheel_of("x86_64").name.split("-")[1]
    assert lines[0] == f"hil {version}" and lines[1].startswith(f"kernel {version}, wire ")
    inside = digest_of([installed / "hil"], "inproc", tmp_path)
    assert digest_of([installed / "hil"], "process", tmp_path) == inside


def test_the_sdist_builds_in_a_new_environment_and_computes_the_same(
    installed: Path, tmp_path: Path
) -> None:
    built = new_environment(tmp_path, the_one("hil_flight-*.tar.gz"))
    same = run([installed / "hil", "--version"], tmp_path)
    assert run([built / "hil", "--version"], tmp_path) == same
    (tmp_path / "wheel").mkdir()
    reference = digest_of([installed / "hil"], "inproc", tmp_path / "wheel")
    for boards in ("inproc", "process"):
        assert digest_of([built / "hil"], boards, tmp_path) == reference


def test_the_wheel_for_aarch64_computes_the_same_under_qemu(
    installed: Path, root: Path, tmp_path: Path
) -> None:
    python = ["qemu-aarch64", "-L", root, root / "usr" / "bin" / "python3"]
    number = run([*python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], tmp_path)
    site, wheel = tmp_path / "site", wheel_of("aarch64")
    platforms = [f"--platform=manylinux{tag}_aarch64" for tag in ("_2_28", "_2_27", "2014")]
    foreign = [f"--python-version={number.strip()}", "--only-binary=:all:", *platforms]
    # pip itself decides whether our tags fit
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", site]
    run([*pip, *foreign, wheel], tmp_path)

    question = "import platform, hil._kernel as k; print(platform.machine(), k.__file__)"
    answer = run([*python, "-c", question], tmp_path, PYTHONPATH=str(site))
    assert answer.split() == ["aarch64", str(site / "hil" / "_kernel.abi3.so")]
    (tmp_path / "x86_64").mkdir()
    reference = digest_of([installed / "hil"], "inproc", tmp_path / "x86_64")
    version = run(["qemu-aarch64", site / "bin" / "hil-agent", "--version"], tmp_path)
    assert version.endswith("aarch64\n"), "the agent starts, too"
    hil = [*python, "-m", "hil"]
    assert digest_of(hil, "inproc", tmp_path, PYTHONPATH=str(site)) == reference

"""What one does with a campaign's result: print it, repeat an experiment, stop at one under gdb,
and share a campaign between computers."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil import assets
from hil.campaign.part import WHOLE, CampaignPart, parse_part
from hil.campaign.ranges import Range
from hil.errors import UsageError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, ClassRow, SampleRow
from hil.upsets.words import NodeEffect
from tests.campaign.changed_quarter import changed_quarter
from tests.command_line import HIL, Done, Hil, clean_env
from tests.ready import ReadyHil

pytestmark = pytest.mark.ptrace

SCENARIO = "schema: 1\nworkload: attitude\nframes: 10\nrig: {scheme: simplex, board: process}\n"
GPR = "gpr.campaign"
WORDS = ("--exact", "--workers", "1")
REGISTERS = ("--targets", "gpr", "--out", GPR)
PARTS = (45, 46, 16, 38)
WANTED = {NodeEffect.MASKED, NodeEffect.SDC, NodeEffect.CRASH, NodeEffect.HANG}


def carried_out(hil: Hil, *words: str) -> None:
    done = hil("campaign", "mine.yaml", *WORDS, *words)
    assert done.code == 0, done.err


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, ready: ReadyHil) -> Hil:
    """A folder with a scenario, and the results of two campaigns."""
    hil = Hil(tmp_path_factory.mktemp("results"), ready)
    hil.write("mine.yaml", SCENARIO)
    carried_out(hil)
    for (
        number
    ) in PARTS:  # one of 60 has all effects; the first one, unless the machine code lies elsewhere
        carried_out(hil, *REGISTERS, "--part", f"{number}/60")
        effects = b"".join(row.effects for row in classes_of(hil, GPR))
        if {EFFECTS[number] for number in effects} >= WANTED:
            return hil
        (hil.cwd / GPR).unlink()
    raise AssertionError("no part has every effect")


@pytest.mark.parametrize(
    ("words", "option", "kind"),
    [
        (("--exact", "--samples", "5"), "--samples", "sampled campaigns"),
        (("--exact", "--confirm", "3"), "--confirm", "proofs of schemes"),
        (("--sampled", "--severity"), "--severity", "exact campaigns"),
        (("--scheme-proof", "--part", "1/2"), "--part", "exact campaigns and sampled campaigns"),
        (("--scheme-proof", "--follow", "2"), "--follow", "exact campaigns"),
        (("--scheme-proof", "--precision", "0.1"), "--precision", "sampled campaigns"),
    ],
)
def test_an_option_of_another_kind_of_campaign_is_refused(
    tmp_path: Path, ready: ReadyHil, words: tuple[str, ...], option: str, kind: str
) -> None:
    hil = Hil(tmp_path, ready)
    hil.write("mine.yaml", SCENARIO)
    done = hil("campaign", "mine.yaml", *words)
    assert done.code == 2
    assert f"{option} is for {kind}" in done.err
    assert not list(tmp_path.glob("*.campaign*"))


def classes_of(hil: Hil, result: str = "mine.campaign") -> list[ClassRow]:
    with CampaignFile(hil.cwd / result) as file:
        return list(file.classes())


def one_with(hil: Hil, effect: NodeEffect, result: str = "mine.campaign") -> str:
    """The last experiment with an effect: far into the step."""
    for row in reversed(classes_of(hil, result)):
        for bit, number in enumerate(row.effects):
            if EFFECTS[number] is effect:
                return f"{row.number}.{bit}"
    raise AssertionError(f"no {effect}")


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_result_is_printed_again_without_a_run(mine: Hil) -> None:
    """Also where there is neither the scenario nor an agent."""
    other = Hil(mine.cwd / "elsewhere")
    other.cwd.mkdir()
    no_agent = {"HIL_AGENT": "/nonexistent"}
    text = other("campaign", "../mine.campaign", env=no_agent).out
    assert "step 3 of attitude" in text
    assert "heap" in text
    answer = other("campaign", "../mine.campaign", "--json", env=no_agent).json
    assert answer["missing_classes"] == []
    for totals in answer["targets"].values():
        assert sum(totals["effects"].values()) == totals["faults"]
        assert totals["open"] == 0


# --- repeating ------------------------------------------------------------------------------------


def repeated(hil: Hil, name: str, result: str = "mine.campaign", code: int = 0) -> dict[str, Any]:
    done = hil("campaign", result, "--repeat", name, "--json")
    assert done.code == code, done.err
    return done.json


@pytest.mark.slow
def test_an_sdc_is_repeated_with_the_bits_that_are_wrong(mine: Hil) -> None:
    name = one_with(mine, NodeEffect.SDC)
    found = repeated(mine, name)
    assert found["equal"]
    assert found["observed"]["effect"] == "sdc"
    wrong = sum((c["right"] ^ c["wrong"]).bit_count() for c in found["output"])
    assert wrong == found["observed"]["wrong_bits"] == found["recorded"]["wrong_bits"] > 0
    row = classes_of(mine)[int(name.split(".")[0])]
    assert (found["byte"], found["weight"]) == (row.byte, row.weight)
    assert found["instruction"]["execution"] <= found["instruction"]["executions"]


def test_a_crash_is_repeated_with_its_signal_and_address(mine: Hil) -> None:
    name = one_with(mine, NodeEffect.CRASH, GPR)
    found = repeated(mine, name, GPR)
    assert found["equal"]
    assert found["signal"] == found["recorded"]["signal"]
    assert found["output"] is None
    text = mine("campaign", GPR, "--repeat", name).out
    assert found["signal"] in text
    assert "as recorded" in text


@pytest.mark.slow
@pytest.mark.parametrize("effect", [NodeEffect.MASKED, NodeEffect.SDC, NodeEffect.HANG])
def test_every_other_effect_is_repeated(mine: Hil, effect: NodeEffect) -> None:
    found = repeated(mine, one_with(mine, effect, GPR), GPR)
    assert found["equal"]
    assert found["observed"]["effect"] == effect.value
    if effect is NodeEffect.HANG:
        assert found["output"] is None
        ticks = found["ticks"]
        assert found["path"]["leaves_to"] is not None or ticks is not None
        assert ticks is None or ticks["counted"] > ticks["right"]
    else:
        assert bool(found["output"]) == (effect is NodeEffect.SDC)


TICKS = """
  progress->tick += 1000u * (io->state[63] >> 1 & 1u); /* the path stays as it is */
  while (io->state[63] & 4u) (void)progress_tick(progress);
  while (io->state[63] & 8u) continue;
"""
TICK_FAULTS = """\
# hil faults 1
# workload: quarter
# seed: 1
# frames: 3
# targets: state
number,frame,target,byte,bit,instruction
0,3,state,63,1,0
1,3,state,63,2,0
2,3,state,63,3,0
"""


@pytest.fixture(scope="module")
def ticking(tmp_path_factory: pytest.TempPathFactory, ready: ReadyHil) -> Hil:
    """The result of three faults of a program, each of which is a hang."""
    hil = Hil(tmp_path_factory.mktemp("ticks"), ready)
    changed_quarter(hil.cwd, TICKS)
    hil.write("list.faults", TICK_FAULTS)
    words = ("--sampled", "--faults", "list.faults", "--workers", "1", "--out", "t.campaign")
    done = hil("campaign", "changed.yaml", *words)
    assert done.code == 0, done.err
    return hil


@pytest.mark.slow
def test_a_hang_that_counts_too_many_ticks_is_repeated_with_them(ticking: Hil) -> None:
    """The shipped program has 2 ticks, and so a budget of 4 * 2 + 64."""
    found = [repeated(ticking, str(number), "t.campaign") for number in range(3)]
    assert all(one["equal"] and one["observed"]["effect"] == "hang" for one in found)
    assert [one["ticks"] for one in found] == [
        {"counted": 1000 + 2, "right": 2},
        {"counted": 4 * 2 + 64 + 1, "right": 2},
        None,
    ]
    text = ticking("campaign", "t.campaign", "--repeat", "1").out
    assert "73 counted instead of 2" in text


@pytest.mark.slow
def test_an_outcome_that_is_not_the_recorded_one_is_said_and_exits_with_1(
    mine: Hil, tmp_path: Path
) -> None:
    name = one_with(mine, NodeEffect.SDC)
    number, bit = map(int, name.split("."))
    effects = bytearray(classes_of(mine)[number].effects)
    effects[bit] = EFFECTS.index(NodeEffect.MASKED)
    shutil.copy(mine.cwd / "mine.campaign", tmp_path)
    shutil.copy(mine.cwd / "mine.yaml", tmp_path)
    with closing(sqlite3.connect(tmp_path / "mine.campaign")) as db:
        db.execute("UPDATE classes SET effects = ? WHERE number = ?", (bytes(effects), number))
        db.commit()
    assert not repeated(Hil(tmp_path, mine.ready), name, code=1)["equal"]
    done = Hil(tmp_path, mine.ready)("campaign", "mine.campaign", "--repeat", name)
    assert done.code == 1
    assert "not as recorded" in done.out


@pytest.mark.slow
def test_the_scenario_is_found_beside_the_result_and_where_it_is_named(
    mine: Hil, tmp_path: Path
) -> None:
    name = one_with(mine, NodeEffect.SDC)
    there = mine.cwd / "mine.campaign"
    assert Hil(tmp_path, mine.ready)("campaign", there, "--repeat", name).code == 0
    shutil.copy(there, tmp_path)
    done = Hil(tmp_path, mine.ready)("campaign", "mine.campaign", "--repeat", name)
    assert done.code == 2
    assert "mine.yaml, which is neither beside it nor in this folder" in done.err
    words = ("--repeat", name, "--scenario", mine.cwd / "mine.yaml")
    assert Hil(tmp_path, mine.ready)("campaign", "mine.campaign", *words).code == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("workload: attitude", "workload: matmul"), "its workload is matmul, and was attitude"),
        (("frames: 10", "frames: 10\nseed: 5"), "its seed is 5, and was"),
        (("frames: 10", "frames: 3"), "it has 3 frames, and frame 3 was hit"),
    ],
)
def test_a_scenario_that_has_changed_is_refused(
    mine: Hil, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    shutil.copy(mine.cwd / "mine.campaign", tmp_path)
    (tmp_path / "mine.yaml").write_text(SCENARIO.replace(*change))
    done = Hil(tmp_path, mine.ready)("campaign", "mine.campaign", "--repeat", "1.1")
    assert done.code == 2
    assert message in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("path", '"0123456789abcdef"', "this build of the workload is not that of"),
        ("instructions", "99999", "the campaign's had 99,999"),
        ("plan", '"00"', "its experiments are others"),
        ("content", '"00"', "its workload attitude has changed"),
        ("arch", '"riscv64"', "is a processor"),
    ],
)
def test_another_build_is_refused(
    mine: Hil, tmp_path: Path, key: str, value: str, message: str
) -> None:
    for name in ("mine.campaign", "mine.yaml"):
        shutil.copy(mine.cwd / name, tmp_path)
    with closing(sqlite3.connect(tmp_path / "mine.campaign")) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
        db.commit()
    done = Hil(tmp_path, mine.ready)("campaign", "mine.campaign", "--repeat", "1.1")
    assert done.code in (2, 3)
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mine.campaign", "--repeat", "999999.0"), "has no class 999999"),
        (("mine.campaign", "--repeat", "1.8"), "the bits 0 to 7"),
        (("mine.campaign", "--repeat", "4"), "whose experiments are CLASS.BIT"),
        (("mine.campaign", "--repeat", "x"), "is not the name of an experiment"),
        (("mine.campaign", "--repeat", "1.1", "--gdb", "1.1"), "exclude each other"),
        (("mine.campaign", "--gdb", "1.1", "--json"), "exclude each other"),
        (("mine.campaign", "--exact"), "--exact is for a scenario"),
        (("mine.campaign", "--targets", "state"), "--targets is for a scenario"),
        (("mine.campaign", "--out", "x"), "--out with a result file is for --merge"),
        (("mine.campaign", "--merge", "mine.campaign"), "name it with --out"),
        (("mine.campaign", "--merge", "mine.campaign", "--out", "mine.yaml"), "exists already"),
        (("mine.campaign", "--merge", "mine.yaml", "--out", "x"), "mine.yaml"),
        (("mine.campaign", "--merge", "mine.campaign", "--out", "no/y"), "no folder no"),
        (("none.campaign",), "there is no result file none.campaign"),
        (("mine.yaml", "--repeat", "1.1"), "--repeat is for the result file"),
        (("mine.yaml", "--exact", "--part", "0/3"), "--part 0/3"),
        (("mine.yaml", "--exact", "--part", "4/3"), "--part 4/3"),
        (("mine.yaml", "--exact", "--part", "half"), "--part half"),
    ],
)
def test_a_wrong_command_line_is_one_message(
    mine: Hil, words: tuple[str, ...], message: str
) -> None:
    done = mine("campaign", *words)
    assert done.code in (2, 3), done.out
    assert message in done.err
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    assert not (mine.cwd / "x").exists()


# --- parts ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_parts_that_computers_carry_out_merge_to_the_file_of_one(mine: Hil) -> None:
    for number in (1, 2, 3):
        carried_out(mine, "--part", f"{number}/3")
    parts = [f"mine.{number}of3.campaign" for number in (1, 2, 3)]
    done = mine("campaign", parts[2], "--merge", parts[0], "--out", "two.campaign", "--json")
    assert done.code == 0, done.err
    with CampaignFile(mine.cwd / "mine.campaign") as file:
        count = file.meta.classes
    missing = [[count // 3, 2 * count // 3]]
    assert done.json["missing_classes"] == missing
    assert "part of a campaign" in mine("campaign", "two.campaign").out
    absent = mine("campaign", parts[0], "--repeat", f"{count - 1}.0")
    assert f"has no class {count - 1}" in absent.err
    words = ("--merge", parts[0], "--merge", "two.campaign", "--out", "all.campaign")
    assert mine("campaign", parts[1], *words).code == 0
    whole = (mine.cwd / "mine.campaign").read_bytes()
    assert (mine.cwd / "all.campaign").read_bytes() == whole


def test_the_parts_of_a_campaign_have_each_class_once() -> None:
    for classes in (0, 1, 7, 100):
        for count in (1, 2, 3, 7, 12):
            parts = [CampaignPart(number, count).bounds(classes) for number in range(1, count + 1)]
            covered = [n for first, end in parts for n in range(first, end)]
            assert covered == list(range(classes))
    assert WHOLE.within([Range(3, 8)], 10) == [(3, 8)]
    ranges = [Range(0, 2), Range(3, 8), Range(9, 10)]
    assert CampaignPart(2, 2).within(ranges, 10) == [(5, 8), (9, 10)]
    assert parse_part("2/5") == CampaignPart(2, 5)
    with pytest.raises(UsageError):
        parse_part("2/5/7")


@pytest.fixture
def gdb() -> None:
    if shutil.which("gdb") is None:
        pytest.skip("gdb is not installed")


# --- samples --------------------------------------------------------------------------------------

DRAWN = ("--sampled", "--samples", "120", "--targets", "state,gpr,text", "--frames", "2,5")


@pytest.fixture(scope="module")
def drawn(mine: Hil) -> Hil:
    """The same folder, with samples on process boards and in this process."""
    for board, words in (("process", DRAWN), ("inproc", ("--sampled", "--samples", "200"))):
        out = f"{board}.campaign"
        done = mine("campaign", "mine.yaml", *words, "--boards", board, "--out", out, "--quiet")
        assert done.code == 0, done.err
    return mine


def sample_with(hil: Hil, result: str, effect: NodeEffect, target: str) -> SampleRow:
    with CampaignFile(hil.cwd / result) as file:
        number = file.meta.targets.index(target)
        rows = [row for row in file.samples() if (row.effect, row.region) == (effect, number)]
    assert rows, f"no {effect} of {target}"
    return rows[-1]


@pytest.mark.parametrize(
    ("effect", "target"),
    [
        (NodeEffect.SDC, "state"),
        (NodeEffect.MASKED, "gpr"),
        (NodeEffect.CRASH, "gpr"),
        (NodeEffect.SDC, "text"),
        (NodeEffect.CRASH, "text"),
    ],
)
def test_a_sample_is_repeated_with_what_happens_in_it(
    drawn: Hil, effect: NodeEffect, target: str
) -> None:
    row = sample_with(drawn, "process.campaign", effect, target)
    found = repeated(drawn, str(row.number), "process.campaign")
    assert found["equal"]
    assert found["observed"]["effect"] == effect.value
    assert (found["frame"], found["position"], found["byte"]) == (row.frame, row.moment, row.byte)
    assert found["instruction"]["address"] == row.address
    assert found["instruction"]["symbol"]
    if effect is NodeEffect.SDC:
        wrong = sum((c["right"] ^ c["wrong"]).bit_count() for c in found["output"])
        assert wrong == found["recorded"]["wrong_bits"]


@pytest.mark.parametrize("effect", [NodeEffect.SDC, NodeEffect.LATENT, NodeEffect.MASKED])
def test_a_sample_in_this_process_is_repeated(drawn: Hil, effect: NodeEffect) -> None:
    row = sample_with(drawn, "inproc.campaign", effect, "state")
    found = repeated(drawn, str(row.number), "inproc.campaign")
    assert found["equal"]
    assert found["unit"] == "tick"
    assert found["path"] is None and found["instruction"] is None
    assert bool(found["output"]) == (effect is NodeEffect.SDC)
    assert bool(found["state"]) or effect is not NodeEffect.LATENT
    text = drawn("campaign", "inproc.campaign", "--repeat", row.number).out
    assert (f"tick {row.moment} of" if row.moment else "before the step") in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("process.campaign", "--repeat", "99999"), "process.campaign has no sample 99999"),
        (("process.campaign", "--repeat", "3.1"), "whose experiments are numbers of samples"),
        (("inproc.campaign", "--gdb", "3"), "have no worker that gdb could stop"),
        (("inproc.campaign", "--repeat", "3", "--boards", "process"), "count instructions"),
        (
            ("inproc.campaign", "--merge", "process.campaign", "--out", "x"),
            "is of another campaign",
        ),
        (("mine.campaign", "--merge", "inproc.campaign", "--out", "x"), "is of another campaign"),
    ],
)
def test_what_a_sample_cannot_do_is_one_message(
    drawn: Hil, gdb: None, words: tuple[str, ...], message: str
) -> None:
    done = drawn("campaign", *words)
    assert done.code in (2, 3), done.out
    assert message in done.err
    assert "Traceback" not in done.err and "internal error" not in done.err
    assert not (drawn.cwd / "x").exists()


@pytest.mark.slow
def test_gdb_stands_at_the_upset_of_a_sample(drawn: Hil, gdb: None) -> None:
    row = sample_with(drawn, "process.campaign", NodeEffect.SDC, "state")
    found = repeated(drawn, str(row.number), "process.campaign")
    done = under_gdb(
        drawn,
        "process.campaign",
        str(row.number),
        'printf "upset %02x\\n", *$upset',
        "info inferiors",
    )
    assert done.code == 0, done.err
    assert f"upset {found['before'] ^ 1 << row.bit:02x}" in done.out
    assert is_gone(int(re.search(r"process (\d+)", done.out)[1]))  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.parametrize("result", ["process.campaign", "inproc.campaign"])
def test_the_faults_of_a_result_are_carried_out_again(
    drawn: Hil, tmp_path: Path, result: str
) -> None:
    listed, again = tmp_path / "list.faults", tmp_path / "again.campaign"
    assert drawn("export", result, "-o", listed).code == 0
    board = result.removesuffix(".campaign")
    words = ("--sampled", "--faults", listed, "--boards", board, "--out", again)
    done = drawn("campaign", "mine.yaml", *words, "--json")
    assert done.code == 0, done.err
    assert not done.json["drawn"]
    with CampaignFile(drawn.cwd / result) as one, CampaignFile(again) as other:
        assert list(one.samples()) == list(other.samples())
    compared = drawn("compare", result, again, "--json").json["pairing"]
    assert compared["paired"]
    assert all(c["only_a"] == c["only_b"] == 0 for c in compared["mcnemar"].values())


# --- gdb ------------------------------------------------------------------------------------------


def under_gdb(hil: Hil, result: str, name: str, *commands: str) -> Done:
    """Let gdb read its commands from stdin, as it does where that is not a terminal."""
    done = subprocess.run(
        [HIL, "campaign", result, "--gdb", name],
        cwd=hil.cwd,
        input="\n".join(commands),
        env=clean_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_gdb_stands_at_the_upset(mine: Hil, gdb: None) -> None:
    """Registers, memory, single instructions and breakpoints are those of the worker; nothing is
    left of it afterwards."""
    name = one_with(mine, NodeEffect.SDC)
    found = repeated(mine, name)
    commands = [
        'printf "upset %02x\\n", *$upset',
        "info registers",
        "x/8xb $state",
        "info source",
        'printf "pc %lx\\n", $pc',
        "stepi",
        'printf "next %lx\\n", $pc',
        "break worker_trap_rest",
        "continue",
        'printf "end %lx\\n", $pc',
        'printf "byte %02x\\n", $output[{}]'.format(found["output"][0]["byte"]),
        "info inferiors",
    ]
    done = under_gdb(mine, "mine.campaign", name, *commands)
    assert done.code == 0, done.err
    text = done.out
    flipped = found["before"] ^ 1 << found["bit"]
    assert f"upset {flipped:02x}" in text
    assert f"pc {found['instruction']['address']:x}" in text
    assert f"Located in {assets.sources_dir()}/" in text, "gdb finds the source"
    assert f"from {found['before']:#04x} to {flipped:#04x}" in text
    assert re.search(r"next [0-9a-f]+", text)
    assert re.search(r"Breakpoint 1, .*worker_trap_rest", text)
    assert f"byte {found['output'][0]['wrong']:02x}" in text
    pid = int(re.search(r"process (\d+)", text)[1])  # type: ignore[index]
    assert is_gone(pid)


@pytest.mark.slow
def test_gdb_can_be_left_in_the_middle(mine: Hil, gdb: None) -> None:
    name = one_with(mine, NodeEffect.CRASH, GPR)
    done = under_gdb(mine, GPR, name, "info inferiors")
    assert done.code == 0, done.err
    pid = int(re.search(r"process (\d+)", done.out)[1])  # type: ignore[index]
    assert is_gone(pid)
    assert "continue" not in done.err


@pytest.mark.slow
def test_a_crash_under_gdb_is_the_one_that_is_recorded(mine: Hil, gdb: None) -> None:
    name = one_with(mine, NodeEffect.CRASH, GPR)
    recorded = repeated(mine, name, GPR)["signal"]
    done = under_gdb(mine, GPR, name, "continue")
    assert f"Program received signal {recorded}" in done.out


@pytest.mark.slow
def test_gdb_shows_where_a_step_has_counted_too_many_ticks(ticking: Hil, gdb: None) -> None:
    done = under_gdb(
        ticking, "t.campaign", "1", "continue", 'printf "ticks %d\\n", *(int *) $ticks'
    )
    assert done.code == 0, done.err
    assert re.search(r"received signal SIGTRAP.*\n.*worker_trap_tick", done.out)
    assert "stops at worker_trap_tick" in done.out
    assert f"ticks {4 * 2 + 64 + 1}" in done.out


class Terminal:
    """A user at a terminal, in which a command runs in the foreground."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.environ["TERM"] = "dumb"
            os.execv(sys.executable, [sys.executable, "-m", "hil", *words])  # noqa: S606
        self.text = ""

    def read_until(self, pattern: str) -> str:
        """Return what is printed from now on up to a text."""
        end = time.monotonic() + 60
        text = ""
        while not re.search(pattern, text):
            assert time.monotonic() < end, text
            if select.select([self._fd], [], [], 0.1)[0]:
                text += os.read(self._fd, 4096).decode(errors="replace")
        self.text += text
        return text

    def write(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait(self) -> int:
        while True:
            try:
                if not os.read(self._fd, 4096):
                    break
            except OSError:  # the terminal is closed
                break
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._fd)
        return code


@pytest.fixture
def terminal(mine: Hil) -> Iterator[Callable[[list[str]], Terminal]]:
    made: list[Terminal] = []

    def make(words: list[str]) -> Terminal:
        made.append(Terminal(mine.cwd, words))
        return made[-1]

    yield make
    for one in made:
        try:
            os.kill(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.slow
def test_at_a_terminal_ctrl_c_is_for_gdb(
    mine: Hil, terminal: Callable[[list[str]], Terminal], gdb: None
) -> None:
    """A worker in an endless loop is stopped by it, and hil goes on."""
    name = one_with(mine, NodeEffect.HANG, GPR)
    user = terminal(["campaign", GPR, "--gdb", name])
    user.read_until(r"\(gdb\) ")
    user.write("info inferiors\n")
    pid = int(re.search(r"process (\d+)", user.read_until(r"\(gdb\) $"))[1])  # type: ignore[index]
    for _ in range(3):  # where a loop has used up its ticks, the worker stops once by itself
        user.write("continue\n")
        user.read_until("Continuing")
        user.write("\x03")
        if "worker_trap_tick" not in (stop := user.read_until(r"\(gdb\) $")):
            break
    assert "SIGINT" in stop
    user.write("quit\n")
    assert user.wait() == 0
    assert is_gone(pid)

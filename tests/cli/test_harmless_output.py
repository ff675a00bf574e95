"""No text of a file, a record or a command line steers the terminal: control characters, C1 codes
and marks of direction are put into every string there is, and none comes out as it is."""

from __future__ import annotations

import io
import json
import os
import pty
import random
import re
import sqlite3
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.text import Text

from hil.cli.entry import main
from hil.printable import UNPRINTABLE, one_line, printable
from hil.views.style import console_for
from tests.amount import mostly_slow
from tests.command_line import HIL, Hil, clean_env
from tests.views.story import Story

HOSTILE = "\x1b]0;owned\x07\x1b[31m\r\x9b31m\x85\u202e\u2066\u200fend\x1b\\"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def run(*words: object) -> tuple[int, str]:
    """A command line in this process: its exit code, and all that it wrote, anywhere."""
    kept = sys.stdout, sys.stderr
    both = io.BytesIO()
    sys.stdout = io.TextIOWrapper(both, "utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(both, "utf-8", write_through=True)
    try:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        text = both.getvalue().decode()
    finally:
        sys.stdout, sys.stderr = kept
    assert isinstance(ended.value.code, int)
    return ended.value.code, text


def harmless_run(*words: object) -> tuple[int, str]:
    code, text = run(*words)
    found = RAW.search(text)
    assert found is None, f"{found[0]!r} in {text[max(0, found.start() - 60) : found.end() + 40]!r}"
    assert "internal error" not in text
    assert "Traceback" not in text
    return code, text


# --- the function ---------------------------------------------------------------------------------


def test_all_that_is_not_seen_is_escaped_and_nothing_else() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        category = unicodedata.category(char)
        if char in "\t\n":
            assert printable(char) == char
            assert one_line(char) == repr(char)[1:-1]
        elif category in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            assert UNPRINTABLE.fullmatch(char), hex(code)
        elif category != "Cn":
            assert printable(char) == one_line(char) == char, hex(code)
    assert printable("a\x1b[31m\x9b\u202e\U000e0041") == r"a\x1b[31m\x9b\u202e\U000e0041"


def test_a_terminal_gets_colours_and_no_other_codes(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    console = console_for(out)
    console.print(Text(HOSTILE, style="bold red"), Text("plain"))
    assert "\x1b[" in out.getvalue()
    left = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert RAW.search(left) is None and r"\x1b]0;owned" in left.replace("\n", "")


# --- files ----------------------------------------------------------------------------------------

SCENARIO: dict[str, Any] = {
    "schema": 1,
    "name": "hostile",
    "summary": "what it is about",
    "workload": "attitude",
    "seed": 3,
    "frames": 20,
    "frame_ms": 100.0,
    "pace": "free",
    "rig": {
        "scheme": "tmr",
        "board": "inproc",
        "profile": "raspberry-pi-4b",
        "nodes": [{"name": "a"}, {"name": "b", "board": "inproc"}, {"name": "c"}],
    },
    "plant": {
        "orbit": {
            "epoch_utc": "2026-03-20T00:00:00Z",
            "altitude_km": 420.0,
            "inclination_deg": "sun-synchronous",
            "ascending_node_local_time_h": 10.5,
        },
        "case": "nominal",
        "feedback": "model",
        "profile": "p.csv",
        "stations": [{"name": "kiruna", "latitude_deg": 67.9, "longitude_deg": 21.1}],
        "radiation": {"solar_phase": "min"},
    },
    "upsets": {
        "events": [{"frame": 5, "node": "a", "target": "state", "pattern": "bit"}],
        "rates": [{"target": "output", "per_s": 0.1, "nodes": ["b"]}],
    },
    "expect": {"sdc_escaped": 0, "availability": ">= 0.5"},
}
TLE = [
    "1 25544U 98067A   26079.50000000  .00010000  00000-0  18000-3 0  9992",
    "2 25544  51.6400 100.0000 0003967  90.0000 270.0000 15.50000000412347",
]
BENCH: dict[str, Any] = {
    "schema": 1,
    "boards": [
        {"name": "a", "port": "/dev/ttyUSB0", "baud": 115200},
        {"name": "b", "adapter": "usb-serial:A10K3XYZ", "serial": "10000000abcd"},
        {
            "name": "c",
            "port": "socket://127.0.0.1:4000",
            "power": {"kind": "command", "on": "true", "off": "true"},
        },
    ],
}
PROFILE = "t_s,illumination,level.a\n0,1.0,3\n1,0.5,3\n2,0.0,3\n3,1.0,3\n"


def variants(value: Any) -> Iterator[Any]:
    """`value` with the hostile text in one of its strings, keys too, or in place of a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {k + HOSTILE if k == key else k: v for k, v in value.items()}
            for changed in variants(inner):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for changed in variants(inner):
                yield [*value[:index], changed, *value[index + 1 :]]
    elif isinstance(value, str):
        yield value + HOSTILE
        yield HOSTILE
    else:
        yield HOSTILE


def dumped(path: Path, value: Any) -> Path:
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.slow
def test_hostile_scenarios_are_checked_flown_and_run_in_plain_text(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(PROFILE)
    with_tle = {**SCENARIO["plant"], "orbit": {"tle": TLE}}
    tried = [*variants(SCENARIO), *({**SCENARIO, "plant": p} for p in variants(with_tle))]
    assert run("check", dumped(tmp_path / "good.yaml", SCENARIO))[0] == 0
    path = tmp_path / "s.yaml"
    codes = [harmless_run("check", dumped(path, changed))[0] for changed in tried]
    assert codes.count(2) > 100
    assert harmless_run("check", dumped(path, {**SCENARIO, "summary": HOSTILE}))[0] == 0
    code, text = harmless_run("run", path, "--out", tmp_path / "r", "--no-tui")
    assert code in {0, 1} and r"\x1b]0;owned" in text.replace("\n", "")
    assert harmless_run("orbit", path)[0] == 0


@pytest.mark.slow
def test_hostile_benches_are_checked_in_plain_text(tmp_path: Path) -> None:
    assert run("check", dumped(tmp_path / "good.yaml", BENCH))[0] == 0
    codes = [harmless_run("check", dumped(tmp_path / "b.yaml", bad))[0] for bad in variants(BENCH)]
    assert codes.count(2) > 20


@pytest.mark.slow
def test_hostile_profiles_are_told_in_plain_text(tmp_path: Path) -> None:
    path = dumped(tmp_path / "s.yaml", SCENARIO)
    cells = PROFILE.replace("\n", ",\n,").split(",")
    for index in range(len(cells)):
        hurt = [*cells[:index], cells[index] + HOSTILE.replace("\r", ""), *cells[index + 1 :]]
        text = ",".join(hurt).replace(",\n,", "\n")
        (tmp_path / "p.csv").write_text(text, encoding="utf-8", newline="")
        if harmless_run("check", path)[0] == 0:
            assert text.endswith(HOSTILE.replace("\r", "")) or index in {0, len(cells) - 1}
    columns: dict[str, Any] = {"t_s": np.arange(3.0), HOSTILE: np.ones(3)}
    np.savez(tmp_path / "p.npz", **columns)
    plant = {**SCENARIO["plant"], "profile": "p.npz"}
    code, text = harmless_run("check", dumped(path, {**SCENARIO, "plant": plant}))
    assert code == 2 and r"\x1b]0;owned" in text


def test_hostile_names_of_files_and_words_of_the_command_line(tmp_path: Path) -> None:
    name = tmp_path / ("s" + HOSTILE.replace("/", "") + ".yaml")
    dumped(name, {**SCENARIO, "plant": None, "name": "x"})
    (tmp_path / "p.csv").write_text(PROFILE)
    harmless_run("check", name)
    out = tmp_path / ("r" + HOSTILE)
    harmless_run("run", name, "--out", out, "--no-tui", "--duration", HOSTILE)
    for command in ("check", "run", "replay", "watch", "orbit", "board", "control", HOSTILE):
        assert harmless_run(command, tmp_path / HOSTILE, HOSTILE)[0] in {2, 3}
    assert harmless_run("run", "quickstart", f"--{HOSTILE}")[0] == 2
    assert harmless_run("check", b"\xff\xfe.yaml".decode(errors="surrogateescape"))[0] == 2


def test_a_run_in_a_folder_with_a_hostile_name(tmp_path: Path) -> None:
    out = tmp_path / f"r{HOSTILE}"
    plain = {k: v for k, v in SCENARIO.items() if k not in {"plant", "expect"}}
    code, text = harmless_run("run", dumped(tmp_path / "s.yaml", plain), "--out", out, "--no-tui")
    assert code in {0, 1} and r"\x1b]0;owned" in text.replace("\n", "")
    for words in (("replay", "--no-tui"), ("replay", "--summary"), ("watch",)):
        harmless_run(words[0], out, *words[1:])


# --- records --------------------------------------------------------------------------------------


def story(path: Path) -> None:
    with Story(path, frames=400, plant={"orbit": {"altitude_km": 420.0}}) as told:
        told.orbit().agree(12).plant().outvoted("b").agree(3).anomaly("c").isolate("c").agree(20)
        told.end()


def texts(path: Path) -> list[tuple[str, str]]:
    """Every column of text in the record."""
    with closing(sqlite3.connect(path)) as db:
        tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (table, column[1])
            for table in tables
            for column in db.execute(f"PRAGMA table_info({table})")
            if column[2] == "TEXT" and not (table == "meta" and column[1] == "key")
        ]


def soiled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key + HOSTILE: soiled(inner) for key, inner in value.items()} | {
            key: soiled(inner) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [soiled(inner) for inner in value]
    return value + HOSTILE if isinstance(value, str) else value


def soil(path: Path, table: str, column: str, *, replaced: bool) -> int:
    """The hostile text in a column: behind what stands there (within JSON), or instead of it."""

    def changed(text: str) -> str:
        if replaced:
            return HOSTILE
        try:
            return json.dumps(soiled(json.loads(text)))
        except ValueError:
            return text + HOSTILE

    with closing(sqlite3.connect(path)) as db:
        db.create_function("changed", 1, changed)
        count = db.execute(
            f"UPDATE OR IGNORE {table} SET {column} = changed({column}) WHERE {column} IS NOT NULL"
        ).rowcount
        db.commit()
    return count


COMMANDS = (("replay", "--no-tui"), ("replay", "--summary"), ("watch",))


@pytest.mark.slow
@pytest.mark.parametrize(
    "replaced",
    [
        None,  # one column so, the next so, and of each what one command shows
        pytest.param(False, marks=pytest.mark.slow),
        pytest.param(True, marks=pytest.mark.slow),
    ],
)
def test_records_with_a_hostile_column_are_shown_in_plain_text(
    tmp_path: Path, replaced: bool | None
) -> None:
    whole = tmp_path / "run.db"
    story(whole)
    content = whole.read_bytes()
    columns = texts(whole)
    assert len(columns) > 40
    touched = 0
    for number, (table, column) in enumerate(columns):
        whole.write_bytes(content)
        instead = number % 2 == 0 if replaced is None else replaced
        if not soil(whole, table, column, replaced=instead):
            continue
        touched += 1
        commands = COMMANDS if replaced is not None else [COMMANDS[touched % len(COMMANDS)]]
        for words in commands:
            _shown(words[0], tmp_path, *words[1:])
    assert touched > 20


def _shown(*words: object) -> None:
    """A damaged record may be refused; what is said of it is plain."""
    _, text = run(*words)
    assert "internal error" not in text
    found = RAW.search(text)
    assert found is None, f"{words}: {text[max(0, found.start() - 60) : found.end() + 40]!r}"


def test_what_a_run_notes_and_its_operators_say_is_shown_in_plain_text(tmp_path: Path) -> None:
    story(tmp_path / "run.db")
    with closing(sqlite3.connect(tmp_path / "run.db")) as db:
        db.execute("INSERT INTO notes (frame, wall_us, text) VALUES (3, 300000, ?)", (HOSTILE,))
        db.execute(
            "INSERT INTO commands VALUES (1, 4, 0, ?, 0, 1, ?, ?, 0, ?)",
            (HOSTILE, HOSTILE, json.dumps({"text": HOSTILE}), HOSTILE),
        )
        db.execute("UPDATE nodes SET model = ?, port = ?, arch = ?", (HOSTILE,) * 3)
        db.commit()
    seen = 0
    for words in COMMANDS:
        _, text = run(words[0], tmp_path, *words[1:])
        assert RAW.search(text) is None
        seen += r"\x1b]0;owned" in text.replace("\n", "") or r"\x1b]0" in text
    assert seen


# --- a terminal -----------------------------------------------------------------------------------


def on_terminal(*words: object, env: dict[str, str] | None = None) -> str:
    """What `hil` writes on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [HIL, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=clean_env(TERM="xterm-256color", **(env or {})),
    ) as process:
        os.close(theirs)
        out = bytearray()
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # nobody is there any more
                break
            if not piece:
                break
            out += piece
        process.wait(60)
    os.close(ours)
    return out.decode(errors="surrogateescape")


@pytest.mark.slow
def test_on_a_terminal_too(tmp_path: Path) -> None:
    story(tmp_path / "run.db")
    for table, column in (("nodes", "model"), ("repairs", "detail"), ("transitions", "cause")):
        soil(tmp_path / "run.db", table, column, replaced=False)
    bad = dumped(tmp_path / "s.yaml", {**SCENARIO, "workload": HOSTILE})
    shown = [
        on_terminal("check", bad),
        on_terminal("replay", tmp_path, "--summary"),
        on_terminal("replay", tmp_path, "--no-tui"),
        on_terminal("doctor", "--json", env={"HIL_AGENT": f"/{HOSTILE}"}),
        on_terminal("run", "quickstart", "--out", tmp_path / "r", env={"HIL_AGENT": f"/{HOSTILE}"}),
    ]
    for text in shown:
        assert "\x1b]0;owned" not in text and "\x07" not in text
        assert RAW.search(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)) is None
    assert any(r"\x1b]0;owned" in re.sub(r"\x1b\[[0-9;]*m|[\r\n]", "", text) for text in shown)


@pytest.mark.slow
def test_random_characters_of_all_planes_in_a_scenario_and_its_name(tmp_path: Path) -> None:
    draw = random.Random(29)
    everything = [chr(c) for c in range(1, 0x3100) if chr(c) != "/"] + ["\U000e0001", "\ufeff"]
    for number in range(25):
        junk = "".join(draw.choices(everything, k=30))
        path = tmp_path / f"{number}{junk[:10]}.yaml"
        changed = {**SCENARIO, draw.choice(list(SCENARIO)): junk, "plant": None}
        code, text = harmless_run("check", dumped(path, changed))
        assert code in {0, 2} and UNPRINTABLE.search(text) is None


def test_file_names_of_any_characters_stay_in_their_line_and_whole(hil: Hil) -> None:
    text = "schema: 1\nname: x\nworkload: sha256\nframes: 60\nrig: {board: inproc}\n"
    names = ["a\nb.yaml", "c\x1b[31md.yaml", "e[red]f.yaml"]
    for name in names:
        hil.write(name, text)
    done = hil("check", *names)
    assert done.code == 0
    shown = [line for line in done.out.splitlines() if "ok" in line]
    assert len(shown) == 3
    for line, name in zip(shown, ["a\\nb.yaml", "c\\x1b[31md.yaml", "e[red]f.yaml"], strict=True):
        assert f" {name} " in line


@pytest.mark.parametrize(
    "words", mostly_slow([["--help"], ["schema"], ["run", "--help"], ["scenario", "list"]], keep=2)
)
def test_what_nobody_reads_is_no_failure_and_a_full_disk_is_one_line(
    hil: Hil, words: list[str]
) -> None:
    ended = subprocess.run(
        ["sh", "-c", '"$@" | head -c 1', "sh", str(HIL), *words],
        cwd=hil.cwd,
        env=clean_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = hil.start(*words, stdout=full)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "No space left on device" in err and "internal error" not in err


@pytest.mark.slow
def test_a_result_for_which_stdout_is_closed_is_a_failure(hil: Hil) -> None:
    hil.write("s.yaml", "schema: 1\nworkload: sha256\nframes: 60\nrig: {board: inproc}\n")
    command = ["sh", "-c", '"$@" >&-', "sh", str(HIL), "run", "s.yaml", "--json"]
    done = subprocess.run(
        command, cwd=hil.cwd, env=clean_env(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3 and "stdout is closed" in done.stderr

"""The limits of the C sources: functions, parameters, truth values, return codes, words.

`tests/test_layers.py` has the flow of the layers;
here is what one function or header may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[1] / "csrc"
BOARD_AND_HOST = ("kernel", "host", "wire", "agent", "port")

FUNCTION_LINES = 60
PARAMETERS = 8

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
NO_CODE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
# A definition begins in the first column, is no macro and no table, and its body ends in the first
# column, too (clang-format).
DEFINITION = re.compile(
    r"^(?!typedef\b|enum\b|struct\b|#)(?P<head>[A-Za-z_][^;{}=]*?\b(?P<name>\w+)\s*"
    r"\((?P<parameters>[^;{}]*)\)\s*)\{(?P<body>[^\n]*\}$|.*?^\})",
    re.MULTILINE | re.DOTALL,
)
POINTER = re.compile(r"\(\*(\w+)\)\(([^;{}]*)\);")


@dataclass(frozen=True)
class Function:
    path: Path
    name: str
    parameters: str
    lines: int
    text: str
    is_bool: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(CSRC)}: {self.name}"


def room(path: Path) -> str:
    return path.relative_to(CSRC).parts[0]


def without(pattern: re.Pattern[str], text: str) -> str:
    """The text with every match replaced by blanks, so that lines keep their numbers."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    return tuple(sorted(path for folder in folders for path in (CSRC / folder).rglob("*.[ch]")))


@cache
def functions() -> tuple[Function, ...]:
    """All functions that C files define, those of tests and fuzz targets included."""
    return tuple(
        Function(
            path,
            match["name"],
            match["parameters"],
            match.group().count("\n") + 1,
            match["body"],
            re.search(r"\bbool\s+\w+\s*\(", match["head"]) is not None,
        )
        for path in sources(*BOARD_AND_HOST, "tests", "fuzz")
        for match in DEFINITION.finditer(without(NO_CODE, path.read_text(encoding="utf-8")))
    )


def count_parameters(parameters: str) -> int:
    depth, count = 0, 1
    for letter in parameters:
        depth += (letter == "(") - (letter == ")")
        count += letter == "," and depth == 0
    return count


def test_there_is_something_to_measure() -> None:
    names = {function.name for function in functions()}
    assert len(names) > 500
    assert {"main", "agent_init", "vote_exact", "board_boot", "inproc_batch", "power_run"} <= names


def test_no_c_function_is_longer_than_60_lines() -> None:
    long = [f"{f}: {f.lines} lines" for f in functions() if f.lines > FUNCTION_LINES]
    assert not long, "\n".join(long)


def test_no_c_function_has_more_than_8_parameters() -> None:
    counts = {str(f): count_parameters(f.parameters) for f in functions()}
    for header in sources(*BOARD_AND_HOST):
        text = without(NO_CODE, header.read_text(encoding="utf-8"))
        counts |= {f"{header.name}: {n}": count_parameters(p) for n, p in POINTER.findall(text)}
    assert counts["wire/frame.c: wire_encode_version"] == 8
    many = [f"{name}: {count} parameters" for name, count in counts.items() if count > PARAMETERS]
    assert not many, "\n".join(many)


# --- truth values ---------------------------------------------------------------------------------

INTEGER = r"(?:unsigned|int|u?int(?:8|16|32|64)_t)"
# A local that takes the value of a comparison, and chooses between no two others.
TRUTH_IN_INTEGER = re.compile(
    rf"\b{INTEGER} (\w+) = (?:!\w|[^;?{{}}]*(?:&&|\|\||[=!]= |(?<![<>])[<>]=? ))[^;?{{}}]*;"
)
SWITCH = re.compile(r"\b(?:unsigned|int|uint8_t) (on|now|write|begun|keep|flip|fast|enabled)\b")
NUMBER_FROM_BOOL = re.compile(r"\breturn [01];")


def test_what_a_comparison_gives_is_a_bool() -> None:
    wrong = [
        f"{function}: {match.group().strip()}"
        for function in functions()
        if room(function.path) in BOARD_AND_HOST
        for match in TRUTH_IN_INTEGER.finditer(function.text)
    ]
    assert not wrong, "\n".join(wrong)


def test_functions_that_return_a_bool_return_true_or_false() -> None:
    wrong = [str(f) for f in functions() if f.is_bool and NUMBER_FROM_BOOL.search(f.text)]
    assert not wrong, "\n".join(wrong)


def test_parameters_that_switch_are_bools() -> None:
    lists = {str(f): f.parameters for f in functions() if room(f.path) in BOARD_AND_HOST}
    port = without(NO_CODE, (CSRC / "agent/port.h").read_text(encoding="utf-8"))
    lists |= {f"port.h: {name}": parameters for name, parameters in POINTER.findall(port)}
    assert "bool now" in lists["port.h: set_baud"]
    wrong = [f"{name}: {found.group()}" for name, p in lists.items() if (found := SWITCH.search(p))]
    assert not wrong, "\n".join(wrong)


# --- return codes ---------------------------------------------------------------------------------

HEADERS = [path for path in sources(*BOARD_AND_HOST) if path.suffix == ".h"]
# What a comment before a declaration, or before the group that it stands in, may say of its `int`.
SAYS_WHAT_IT_RETURNS = re.compile(
    r"HIL_OK|\b[Rr]eturns?\b|\bAs (?:vote|wire|cobs)_|hil_port_t return"
)


DECLARATION = re.compile(r"^ *(?:static inline )?int \(?\*?(\w+)\)?\([^;{]*[;{]", re.MULTILINE)


def undocumented(text: str) -> list[str]:
    """Functions and callbacks that return an int of which no comment before them speaks."""
    wrong: list[str] = []
    documented = False
    for part in re.split(r"(/\*.*?\*/)", text, flags=re.DOTALL):
        if part.startswith("/*"):
            documented = SAYS_WHAT_IT_RETURNS.search(part) is not None
        elif not documented:
            wrong += DECLARATION.findall(part)
    return wrong


def test_a_declaration_without_return_codes_is_found() -> None:
    assert undocumented("/* Step. */\nint step(void);\n") == ["step"]
    assert undocumented("/* HIL_OK. */\nint a(void);\nint b(void);\n") == []


@pytest.mark.parametrize("path", HEADERS, ids=lambda p: str(p.relative_to(CSRC)))
def test_every_return_code_stands_in_the_header(path: Path) -> None:
    wrong = undocumented(path.read_text(encoding="utf-8"))
    assert not wrong, "\n".join(wrong)


# --- words ----------------------------------------------------------------------------------------

PRIVATE_WORDS = re.compile(
    r"\b(anew|for ever|last[ _]words|told|tells?|telling|babbl\w+|spoilt|wound|let go"
    r"|is no (?:watchdog|port|text))\b",
    re.IGNORECASE,
)
DOCUMENTS = [CSRC / "README.md", CSRC / "SPEC.md", CSRC / "port/linux/EXEC.md"]


def test_the_sources_speak_plain_technical_english() -> None:
    wrong = [
        f"{path.relative_to(CSRC)}:{number}: {line.strip()}"
        for path in (*sources(*BOARD_AND_HOST, "tests", "fuzz"), *DOCUMENTS)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if PRIVATE_WORDS.search(line)
    ]
    assert not wrong, "\n".join(wrong)

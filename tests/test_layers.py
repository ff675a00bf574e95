"""The one-way flow of the house: which room may import which, in Python and in C.

A room is a folder directly under hil/ or csrc/ (or a module, where it stands alone). Rooms are
stations of the data path, and each sees only those before it."""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import itertools
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cache
from pathlib import Path

import pytest

import hil
from hil.board_types.channels import Effect, Particle
from hil.check_state import CheckState
from hil.plant.moment import PowerLevel
from hil.record.campaign_rows import MomentUnit
from hil.record.queries import BadOutput
from hil.redundancy.recovery import NodeState, Observation
from hil.redundancy.voting import NodeStatus, VerdictKind
from hil.rig.transport import PortFault
from hil.scenario.plant.flight import ThermalCaseName
from hil.scenario.plant.radiation import SolarPhase
from hil.scenario.plant.spacecraft import RadiatorKind
from hil.scenario.words import (
    BoardAction,
    BoardKind,
    Direction,
    LinkNoiseKind,
    PatternKind,
    RamPart,
    SchemeName,
    Sefi,
    TimingFault,
    Unvoted,
    UpsetTarget,
)
from hil.upsets.words import NodeEffect, SystemOutcome
from hil.wire.messages import LinkState, UpsetState
from tests.sources import nodes_of_file, tree_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "hil"
CSRC = ROOT / "csrc"

# --- Python -------------------------------------------------------------------------------------

# A room imports only what stands before it here. Rooms in one line do not import each other.
ROOMS = [
    {"word_enum"},
    {"run_outcome", "check_state"},
    {"exit_codes", "clock", "printable", "extras", "json_values"},
    {"errors"},
    {"_kernel", "assets"},
    {"kernel"},
    {"random_streams"},
    {"wire"},
    {"scenario"},
    {"board_types"},
    {"plant", "rig"},
    {"redundancy"},
    {"upsets"},
    {"record"},
    {"control"},
    {"engine"},
    {"analysis"},
    {"campaign"},
    {"verification", "views", "export"},
    {"report"},
    {"api"},
    {"perf", "doctor", "testing"},
    {"cli"},
    {"__main__"},
]
RANK = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}

# Those who read a record know nothing of what wrote it; a control client knows no board.
BLIND = {
    "record": {"plant"},
    "control": {"scenario", "plant", "rig", "redundancy", "upsets", "record"},
    "views": {"engine", "rig"},
    "report": {"engine", "rig", "campaign"},
    "export": {"engine", "rig", "campaign"},
    "testing": {room for rooms in ROOMS for room in rooms}
    - {"api", "errors", "json_values", "testing"},
}


@dataclass(frozen=True)
class Import:
    importer: str
    target: str
    name: str  # what is imported from it; empty for the module itself
    line: int
    for_types: bool

    def __str__(self) -> str:
        what = f"{self.name} of {self.target}" if self.name else self.target
        return f"{self.importer}:{self.line} imports {what}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def statements(tree: ast.AST, for_types: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """All import statements, wherever they stand, and whether only a type checker sees them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, for_types
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for inner in node.body:
                yield from statements(ast.Module([inner], []), True)
        else:
            yield from statements(node, for_types)


def imports(module: str) -> Iterator[Import]:
    """What a module imports of this package."""
    for node, for_types in statements(tree_of(MODULES[module])):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, "", node.lineno, for_types)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute here"
            for alias in node.names:
                target, name = node.module or "", alias.name
                if f"{target}.{name}" in MODULES or f"{target}.{name}" == "hil._kernel":
                    target, name = f"{target}.{name}", ""
                yield Import(module, target, name, node.lineno, for_types)


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@cache
def all_imports() -> list[Import]:
    """Those of this package by this package."""
    return [
        imported
        for module in MODULES
        for imported in imports(module)
        if within(imported.target, "hil")
    ]


def test_there_is_something_to_scan() -> None:
    assert len(all_imports()) > 50
    assert {"hil.engine.loop", "hil.rig.rig", "hil.record.sqlite_recorder"} <= set(MODULES)


def test_every_module_has_a_room() -> None:
    assert {room_of(module) for module in MODULES if module != "hil"} == set(RANK) - {"_kernel"}


LISTED = re.compile(r"(\w+(?:, \w+)*)(,?)(  +\S.*)?")


def modules_listed(doc: str) -> list[str]:
    """The modules in the list of a package: names at the beginning of a line, divided by commas,
    and what they are after two spaces or in the next line."""
    lines = doc.splitlines()
    listed: list[str] = []
    for line, following in itertools.pairwise([*lines, ""]):
        match = LISTED.fullmatch(line)
        if match and (match[2] or match[3] or following.startswith("  ")):
            listed += match[1].split(", ")
    return listed


PACKAGES = [module for module, path in MODULES.items() if path.name == "__init__.py"]


def test_a_package_lists_each_of_its_modules_once() -> None:
    wrong: list[str] = []
    for package in PACKAGES:
        members = [module for module in MODULES if module.rpartition(".")[0] == package]
        names = sorted(name for m in members if not (name := m.rpartition(".")[2]).startswith("_"))
        listed = sorted(modules_listed(ast.get_docstring(tree_of(MODULES[package])) or ""))
        missing, not_there = set(names) - set(listed), set(listed) - set(names)
        if listed != names:
            wrong.append(f"{package}: missing: {missing}, not there: {not_there}, or listed twice")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("doc", "listed"),
    [
        ("Boards.\n\na       one\nb_c, d  two, and\n        more", ["a", "b_c", "d"]),
        ("a, b,\nc    three", ["a", "b", "c"]),
        ("a, b\n    two", ["a", "b"]),
        ("One, two\nthree, four and five.\nsix", []),
    ],
)
def test_the_search_finds_the_modules_in_a_list(doc: str, listed: list[str]) -> None:
    assert modules_listed(doc) == listed


def test_imports_go_one_way() -> None:
    wrong = [
        str(i)
        for i in all_imports()
        if i.target != "hil"  # the version
        and room_of(i.importer) != room_of(i.target)
        and RANK[room_of(i.target)] >= RANK[room_of(i.importer)]
    ]
    assert not wrong, "\n".join(wrong)


def test_who_reads_a_record_does_not_know_who_wrote_it() -> None:
    wrong = [
        str(i) for i in all_imports() if room_of(i.target) in BLIND.get(room_of(i.importer), set())
    ]
    assert not wrong, "\n".join(wrong)


def test_the_modules_of_a_room_import_each_other_in_one_direction() -> None:
    arrows: dict[str, set[str]] = {module: set() for module in MODULES}
    for i in all_imports():
        if i.target in arrows and i.target not in {i.importer, "hil"}:
            arrows[i.importer].add(i.target)
    while free := [module for module, targets in arrows.items() if not targets]:
        for module in free:
            del arrows[module]
        for targets in arrows.values():
            targets.difference_update(free)
    assert not arrows, f"these, or what leads to them, are a circle: {sorted(arrows)}"


def test_nothing_imports_the_command_line() -> None:
    wrong = [
        str(i)
        for i in all_imports()
        if within(i.target, "hil.cli") and i.importer != "hil.__main__"
    ]
    assert [w for w in wrong if not w.startswith("hil.cli")] == []


def test_the_package_itself_imports_nothing() -> None:
    assert [str(i) for i in all_imports() if i.importer == "hil"] == []


def test_the_engine_knows_a_recorder_by_its_protocol_alone() -> None:
    """Only the loop, which puts the parts together, names the recorder that writes SQLite."""
    writers = {"hil.record.sqlite_recorder", "hil.record.event_writer", "hil.record.pending_rows"}
    writers |= {"hil.record.write_connection"}
    wrong = [
        str(i)
        for i in all_imports()
        if room_of(i.importer) == "engine"
        and i.target in writers
        and (i.importer, i.name) != ("hil.engine.loop", "SqliteRecorder")
    ]
    assert not wrong, "\n".join(wrong)


SEE_ALL_PARTS = {"hil.engine.loop", "hil.engine.stages", "hil.engine.snapshots"}


def test_few_modules_of_the_engine_see_all_parts_of_a_run() -> None:
    """The loop has them, `stages` hands them out, and a snapshot holds the state of each. All
    others get the groups and single parts that they work with."""
    seen = {i.importer for i in all_imports() if i.target == "hil.engine.parts"}
    assert seen == SEE_ALL_PARTS


SQL = re.compile(
    r"^\s*(SELECT|WITH|INSERT|REPLACE|UPDATE|DELETE FROM|PRAGMA|BEGIN|CREATE|DROP|ALTER|ATTACH)\b"
    r"|\b(FROM|WHERE|ORDER BY|GROUP BY) [a-z{]"
)


def sql_in(module: str) -> list[str]:
    """The strings of a module that are SQL, or parts of it."""
    return [
        f"{module}:{node.lineno}"
        for node in nodes_of_file(MODULES[module])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value)
    ]


def test_only_the_record_contains_sql() -> None:
    others = [module for module in MODULES if not within(module, "hil.record")]
    wrong = [place for module in others for place in sql_in(module)]
    assert not wrong, "\n".join(wrong)
    assert sql_in("hil.record.queries"), "the search finds SQL where there is some"


def nodes_of(room: str, *, inside: bool) -> Iterator[tuple[str, ast.AST]]:
    """All nodes of the trees of a room's modules, or of those of all others, and their places."""
    for module, path in MODULES.items():
        if within(module, room) is inside:
            for node in nodes_of_file(path):
                yield f"{module}:{node.lineno if hasattr(node, 'lineno') else 0}", node


def test_only_the_record_knows_the_database() -> None:
    """Nobody else imports sqlite3, asks a record in its own words, or takes its connection."""
    wrong = [
        place
        for place, node in nodes_of("hil.record", inside=False)
        if (isinstance(node, ast.Import) and any(a.name == "sqlite3" for a in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "sqlite3")
        or (isinstance(node, ast.Attribute) and node.attr == "db")
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "rows"
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_the_record_answers_with_values() -> None:
    """Rows of sqlite3 come of `rows` alone, which the queries ask; these make values of them."""
    wrong = [
        f"{place} {node.name}"
        for place, node in nodes_of("hil.record", inside=True)
        if isinstance(node, ast.FunctionDef)
        and node.name != "rows"
        and not node.name.startswith("_")
        and node.returns is not None
        and "sqlite3.Row" in ast.unparse(node.returns)
    ]
    wrong += [
        f"{place} {ast.unparse(node.target)}"
        for place, node in nodes_of("hil.record", inside=True)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Attribute)
        and not node.target.attr.startswith("_")
        and "sqlite3.Row" in ast.unparse(node.annotation)
    ]
    assert not wrong, "\n".join(wrong)


MAPPINGS = {"dict", "Mapping", "MutableMapping"}
UNTYPED = {"Any", "object"}


def maps_to_anything(annotation: ast.AST) -> bool:
    """Whether the annotation holds a mapping whose values may be anything: nobody can tell which
    keys it has, or should have."""
    return any(
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in MAPPINGS
        and isinstance(node.slice, ast.Tuple)
        and isinstance(node.slice.elts[-1], ast.Name)
        and node.slice.elts[-1].id in UNTYPED
        for node in ast.walk(annotation)
    )


def public_annotations(body: list[ast.stmt], outer: str = "") -> Iterator[tuple[str, ast.expr]]:
    """What other modules see: parameters and results of public functions, public attributes, and
    names given to types."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from public_annotations(node.body, f"{outer}{node.name}.")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from annotations_of(node, outer)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if not node.target.id.startswith("_"):
                yield f"{outer}{node.target.id}", node.annotation
        elif isinstance(node, ast.Assign):
            yield f"{outer}{ast.unparse(node.targets[0])}", node.value


def annotations_of(
    node: ast.FunctionDef | ast.AsyncFunctionDef, outer: str
) -> Iterator[tuple[str, ast.expr]]:
    if node.name.startswith("_") and node.name != "__init__":
        return
    arguments = node.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        if argument.annotation is not None:
            yield f"{outer}{node.name}({argument.arg})", argument.annotation
    if node.returns is not None:
        yield f"{outer}{node.name}", node.returns
    for inner in ast.walk(node):
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Attribute):
            if not inner.target.attr.startswith("_"):
                yield f"{outer}{inner.target.attr}", inner.annotation


def test_values_with_fields_cross_modules_not_mappings_of_anything() -> None:
    """Documents that leave the program or come from outside are JSON (`hil.json_values`)."""
    wrong = [
        f"{module}: {name}"
        for module, path in MODULES.items()
        for name, what in public_annotations(tree_of(path).body)
        if maps_to_anything(what)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def f(row: dict[str, Any]) -> None: ...", True),
        ("def f() -> list[Mapping[str, object]]: ...", True),
        ("class C:\n    def f(self, *, x: Mapping[str, Any] | None = None) -> None: ...", True),
        ("class C:\n    meta: dict[str, Any]", True),
        ("class C:\n    def __init__(self) -> None:\n        self.meta: dict[str, Any] = {}", True),
        ("Row = dict[str, Any]", True),
        ("def _f(row: dict[str, Any]) -> None: ...", False),
        ("def f(rows: dict[str, list[int]]) -> None:\n    x: dict[str, Any] = {}", False),
        ("class C:\n    _meta: dict[str, Any]", False),
    ],
)
def test_the_search_finds_each_mapping_of_anything(code: str, found: bool) -> None:
    assert any(maps_to_anything(a) for _, a in public_annotations(ast.parse(code).body)) is found


WALL_CLOCK = {"hil.clock", "hil.rig.capture"}  # a capture says what time of day it was


def test_rig_and_engine_know_time_from_their_clock_alone() -> None:
    """So that whoever gives them another clock gives them another time."""
    wrong = [
        place
        for room in ("hil.rig", "hil.engine")
        for place, node in nodes_of(room, inside=True)
        if isinstance(node, ast.Import)
        and any(alias.name == "time" for alias in node.names)
        and place.partition(":")[0] not in WALL_CLOCK
    ]
    assert not wrong, "\n".join(wrong)


def probed_attribute(node: ast.AST) -> str | None:
    """The attribute, if the node asks whether an object has it: by `hasattr`, by `getattr` with a
    default, or by either of a name that stands there. Fields that are gone through by their names,
    which all of them have, are no such question."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return None
    if node.func.id not in {"getattr", "hasattr"} or len(node.args) < 2:
        return None
    name = node.args[1]
    fixed = isinstance(name, ast.Constant)
    if node.func.id == "getattr" and len(node.args) == 2 and not fixed:
        return None
    return str(name.value) if isinstance(name, ast.Constant) else ast.unparse(name)


def test_what_an_object_can_do_is_said_by_its_type() -> None:
    """Nothing probes for attributes: what is optional is a protocol, a base class with a default,
    or a value that may be None."""
    wrong = [
        f"{place} {name}"
        for place, node in nodes_of("hil", inside=True)
        if (name := probed_attribute(node))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("hasattr(board, 'batch')", "batch"),
        ("hasattr(board, what)", "what"),
        ("getattr(board, 'batch', None)", "batch"),
        ("getattr(board, what, None)", "what"),
        ("getattr(board, 'batch')", "batch"),
        ("getattr(self, field.name)", None),
        ("termios.tcgetattr(fd)", None),
    ],
)
def test_the_search_finds_each_way_to_probe(code: str, name: str | None) -> None:
    assert probed_attribute(ast.parse(code, mode="eval").body) == name


ASK_FOR_CAPABILITIES = [
    module for module in MODULES if room_of(module) in {"rig", "redundancy", "upsets", "engine"}
]


def test_what_a_board_can_do_is_asked_in_one_place() -> None:
    """`hil.rig.backends.capabilities` has a protocol for all that only some boards and transports
    can do; nothing else asks for one kind of board."""
    asked = [
        f"{module}:{node.lineno} {ast.unparse(node)}"
        for module in ASK_FOR_CAPABILITIES
        if module != "hil.rig.backends.capabilities"
        for node in nodes_of_file(MODULES[module])
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and ast.unparse(node.args[1]).endswith(("Board", "Transport", "Power"))
    ]
    assert not asked, "\n".join(asked)


HEAVY = ("numpy", "textual", "serial", "pydantic", "yaml", "rich", "typer", "hil._kernel")
ENGINE = (
    "serial",
    "hil.engine.loop",
    "hil.engine.repair_executor",
    "hil.rig.rig",
    "hil.rig.exchange",
)
TEXTUAL = ("textual", "matplotlib", "hil.views", "hil.cli")
OF_EXTRAS = ("hil.views.screen.web_server",)
"""These cannot be imported without an extra, which the default suite does without."""


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("hil", HEAVY),
        ("hil.errors", HEAVY),
        ("hil.record.reader", ENGINE + TEXTUAL + ("pydantic",)),
        ("hil.scenario", ("numpy", "textual", "rich", "typer")),
        ("hil.engine.loop, hil.engine.run_preparation", ("numpy", "hil.plant.sky")),
        ("hil.report.evidence.evidence_file", ("numpy", "hil.record.campaign_file")),
        ("hil.record.sqlite_recorder", TEXTUAL),
        ("hil.engine.loop", TEXTUAL),
        (
            "hil.cli",
            (
                "textual",
                "numpy",
                "pydantic",
                "hil._kernel",
                "hil.views",
                "hil.engine",
                "hil.control",
            ),
        ),
        (", ".join(m for m in MODULES if within(m, "hil.views") and m not in OF_EXTRAS), ENGINE),
        ("hil.control.client", HEAVY),
        ("hil.control.server", HEAVY),
    ],
)
def test_importing_loads_nothing_unwanted(
    modules: str, unwanted: tuple[str, ...], tmp_path: Path
) -> None:
    code = f"import sys, {modules}; print(*(m for m in {unwanted!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,  # not here: Python would take the sources for the installed package
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [], f"import {modules} loads them"


WORD_ENUMS: tuple[type[Enum], ...] = (
    UpsetState,
    LinkState,
    SchemeName,
    Unvoted,
    BoardKind,
    UpsetTarget,
    PatternKind,
    Sefi,
    LinkNoiseKind,
    Direction,
    RamPart,
    BoardAction,
    TimingFault,
    NodeState,
    Observation,
    VerdictKind,
    NodeStatus,
    NodeEffect,
    SystemOutcome,
    Effect,
    Particle,
    SolarPhase,
    ThermalCaseName,
    RadiatorKind,
    BadOutput,
    CheckState,
    PowerLevel,
    PortFault,
    MomentUnit,
)
WORDS = {
    word.name.lower() if isinstance(word, IntEnum) else str(word.value)
    for enum in WORD_ENUMS
    for word in enum
} - {""}
OTHER_WORDS = {
    ("hil.rig.discovery.bench_file", "serial"),  # keys of a bench file
    ("hil.scenario.orbit_scheme", "missing"),  # pydantic's word for a key that is not there
    ("hil.scenario.problems", "missing"),  # pydantic's word for a key that is not there
    ("hil.scenario.plant.power", "off"),  # the name of a load's lowest level
    ("hil.record.limit_orders", "off"),  # in an order that is stored
    ("hil.record.write_connection", "full"),  # in a message of SQLite's
    ("hil.board_types.compilers", "version"),  # an argument of a compiler
    ("hil.views.screen.pages.overview.nodes", "board"),  # a heading
}
"""These mean another thing than the member of an enumeration that has the same text."""


def compared_words(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The texts that are compared as literals: by `==`, `!=`, `in` a tuple or a set, or `case`."""
    for node in nodes:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            sides += [
                e for s in sides if isinstance(s, (ast.Tuple, ast.Set, ast.List)) for e in s.elts
            ]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        for side in sides:
            if isinstance(side, ast.Constant) and isinstance(side.value, str):
                yield side.value


def test_a_word_of_an_enumeration_is_compared_as_its_member() -> None:
    """A misspelt member is an error; a misspelt literal is a branch that is never taken."""
    compared = {
        (module, word)
        for module, path in MODULES.items()
        for word in compared_words(nodes_of_file(path))
        if word in WORDS
    }
    assert compared - OTHER_WORDS == set()
    assert OTHER_WORDS - compared == set(), "not needed any more"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("state == 'voting'", ["voting"]),
        ("row.outcome not in ('', 'corrected')", ["", "corrected"]),
        ("any(s in {'lost'} for s in states)", ["lost"]),
        ("match kind:\n    case 'stuck':\n        pass", ["stuck"]),
        ("state is NodeState.VOTING", []),
        ("{'voting': 1}", []),
    ],
)
def test_the_search_finds_each_way_to_compare_a_word(code: str, words: list[str]) -> None:
    assert sorted(compared_words(ast.walk(ast.parse(code)))) == sorted(words)


# --- C ------------------------------------------------------------------------------------------

C_LAYERS = ("kernel", "host", "wire", "agent", "port")
"""Each sees only those before it; `host`, what no board has, is seen by what is no board."""

SEE_HOST = {CSRC / "port/inproc", CSRC / "port/wasm"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

# The C library that layers below port may use: nothing that does input or output, or allocates.
FREESTANDING = {
    "limits.h",
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "string.h",
    "immintrin.h",
    "nmmintrin.h",
    "arm_acle.h",  # the compiler's own
}


def c_layer(path: Path) -> str:
    return path.relative_to(CSRC).parts[0]


C_FILES = sorted(p for layer in C_LAYERS for p in (CSRC / layer).rglob("*.[ch]"))
C_HEADERS = {path.name: path for path in C_FILES if path.suffix == ".h"}


def c_includes(path: Path) -> Iterator[tuple[str, bool]]:
    """What a C file includes, and whether it is ours."""
    for own, system in INCLUDE.findall(path.read_text(encoding="utf-8")):
        yield own or system, bool(own)


def test_c_headers_have_unique_names() -> None:
    headers = [path.name for path in C_FILES if path.suffix == ".h"]
    assert len(headers) == len(set(headers)) > 10


def wrong_includes(path: Path) -> Iterator[str]:
    """What a C file includes and may not."""
    rank = C_LAYERS.index(c_layer(path))
    for name, ours in c_includes(path):
        if not ours:
            if c_layer(path) != "port" and name not in FREESTANDING:
                yield f"<{name}> below the port layer"
            continue
        target = C_HEADERS[name]
        if C_LAYERS.index(c_layer(target)) > rank:
            yield f"{name} is of a layer above"
        if c_layer(target) == "host" != c_layer(path) and path.parent not in SEE_HOST:
            yield f"{name} is not for boards"
        if c_layer(path) == c_layer(target) == "port":
            own = (path.parent, path.parent.parent)  # or of the port that this is a variant of
            if target.parent not in own:
                yield f"{name} belongs to another port"


def test_c_includes_go_one_way() -> None:
    wrong = [
        f"{path.relative_to(CSRC)}: {what}" for path in C_FILES for what in wrong_includes(path)
    ]
    assert not wrong, "\n".join(wrong)


# What may stand between a function's name and its body, at the beginning of a line.
DEFINITION = re.compile(r"^(?!static\b)[A-Za-z_][\w \*]*?\b(\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
NO_CODE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def c_calls() -> dict[str, dict[str, set[str]]]:
    """Which module (a .c file) uses which public functions of which other module."""
    modules = {
        str(p.relative_to(CSRC)): NO_CODE.sub(" ", p.read_text(encoding="utf-8"))
        for p in C_FILES
        if p.suffix == ".c" and p.parent.name != "examples"
    }
    defined = {
        name: module for module, text in modules.items() for name in DEFINITION.findall(text)
    }
    del defined["main"]
    calls: dict[str, dict[str, set[str]]] = {module: {} for module in modules}
    for module, text in modules.items():
        for name in re.findall(r"\b\w+\b", text):
            if (owner := defined.get(name, module)) != module:
                calls[module].setdefault(owner, set()).add(name)
    return calls


def test_c_modules_form_no_circle() -> None:
    calls = c_calls()
    assert "agent_tx_pending" in calls["agent/agent_baud.c"]["agent/agent_link.c"]
    try:
        list(graphlib.TopologicalSorter(calls).static_order())
    except graphlib.CycleError as error:
        circle = error.args[1]
        arrows = [f"{b} -> {a}: {calls[b].get(a)}" for a, b in itertools.pairwise(circle)]
        pytest.fail("\n".join(arrows))


def test_c_calls_go_one_way() -> None:
    """A declaration written by hand would let a call pass that no `#include` shows."""
    wrong = [
        f"{module} -> {owner}: {sorted(names)}"
        for module, used in c_calls().items()
        for owner, names in used.items()
        if C_LAYERS.index(c_layer(CSRC / owner)) > C_LAYERS.index(c_layer(CSRC / module))
    ]
    assert not wrong, "\n".join(wrong)


def test_c_ports_name_the_callbacks_they_set() -> None:
    """A callback that is added in the middle of hil_port_t must not shift those after it."""
    sources = [*C_FILES, *(CSRC / "tests").glob("*.c")]
    tables = [
        (path.name, first)
        for path in sources
        for first in re.findall(r"hil_port_t \w+ = \{\s*(\S)", path.read_text(encoding="utf-8"))
    ]
    assert len(tables) >= 4 and {first for _, first in tables} == {"."}, tables


def test_one_version() -> None:
    """Package, agent and extension are one release, which one header names."""
    header = (CSRC / "agent/version.h").read_text(encoding="utf-8")
    (version,) = re.findall(r'^#define HIL_VERSION "(.+)"$', header, re.MULTILINE)
    assert hil.__version__ == importlib.metadata.version("hil-flight") == version
    elsewhere = [p.name for p in C_FILES if version in p.read_text(encoding="utf-8")]
    assert elsewhere == ["version.h"]

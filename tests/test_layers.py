"""The one-way flow of design: who may import whom, in Python and in C.

    scenario <- plant
    scenario <- rig <- voter, recovery, injector, outcome, metrics <- record <- views

`hil.repair`, `hil.engine` and `hil.loop` compose; `hil.cli` is above everything; nothing imports
it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "hil"
CSRC = ROOT / "csrc"

# --- Python -------------------------------------------------------------------------------------

# Whom the modules of a layer may import besides their own layer. A module belongs to the longest
# prefix of its name; one that has none fails, until somebody decides where it belongs.
ANY = {"hil"}
LEAVES = {"hil.clock", "hil.errors", "hil.exits", "hil.extras", "hil.printable"}
LEAVES |= {"hil.node_power", "hil.throttling"}
KERNEL = LEAVES | {"hil.kernel", "hil._kernel"}
SCENARIO = LEAVES | {"hil.scenario", "hil.shipped"}
ALLOWED: dict[str, set[str]] = {
    "hil.clock": set(),
    "hil.extras": set(),
    "hil.node_power": set(),
    "hil.throttling": set(),
    "hil.exits": set(),
    "hil.printable": set(),
    "hil.errors": {"hil.exits", "hil.printable"},
    "hil.shipped": LEAVES,
    "hil.kernel": KERNEL,
    "hil.draws": KERNEL,
    "hil.scenario": SCENARIO,
    "hil.plant": KERNEL | SCENARIO | {"hil.draws"},
    "hil.agent_build": LEAVES | {"hil.shipped"},
    "hil.board_install": LEAVES,
    "hil.rig": KERNEL | SCENARIO | {"hil.agent_build"},
    "hil.voter": KERNEL,
    "hil.recovery": set(),
    "hil.injector": KERNEL | SCENARIO | {"hil.draws", "hil.plant"},
    "hil.observation": {"hil.recovery", "hil.rig", "hil.voter"},
    "hil.outcome": KERNEL | {"hil.injector", "hil.voter", "hil.rig"},
    "hil.metrics": SCENARIO | {"hil.outcome", "hil.voter"},
    "hil.record": LEAVES | {"hil.kernel", "hil.outcome", "hil.recovery", "hil.rig", "hil.voter"},
    "hil.control": LEAVES,
    "hil.commands": KERNEL
    | SCENARIO
    | {"hil.control", "hil.delivery", "hil.injector", "hil.record", "hil.recovery", "hil.rig"}
    | {"hil.upset_limits"},
    "hil.views": LEAVES
    | {"hil.control.client", "hil.control.protocol", "hil.control.words"}
    | {"hil.metrics", "hil.outcome", "hil.record", "hil.recovery", "hil.voter"},
    "hil.redundancy": KERNEL | SCENARIO | {"hil.rig", "hil.voter"},
    "hil.repair": KERNEL | {"hil.recovery", "hil.redundancy", "hil.rig", "hil.voter"},
    "hil.run_reports": LEAVES,
    "hil.run_folder": KERNEL | SCENARIO | {"hil.record.schema", "hil.result", "hil.run_reports"},
    "hil.check": SCENARIO | {"hil.plant", "hil.upset_limits"},
    "hil.background": set(),
    "hil.delivery": KERNEL | {"hil.injector", "hil.outcome", "hil.rig"},
    "hil.result": SCENARIO | {"hil.rig"},
    "hil.resume": SCENARIO
    | {"hil.injector", "hil.metrics", "hil.outcome", "hil.record", "hil.rig", "hil.voter"},
    "hil.verification": set(),
    "hil.verify_end": KERNEL
    | SCENARIO
    | {"hil.metrics", "hil.record", "hil.result", "hil.run_reports", "hil.verification"}
    | {"hil.voter"},
    "hil.replay": KERNEL
    | SCENARIO
    | {"hil.record", "hil.verification", "hil.verify_delivery", "hil.verify_end", "hil.voter"},
    "hil.verify_delivery": KERNEL
    | SCENARIO
    | {"hil.record", "hil.redundancy", "hil.verification", "hil.voter"},
    "hil.survey": KERNEL | SCENARIO | {"hil.plant"},
    "hil.steward": KERNEL
    | SCENARIO
    | {"hil.outcome", "hil.plant", "hil.record", "hil.recovery", "hil.rig"},
    "hil.engine": KERNEL
    | SCENARIO
    | {"hil.control.protocol", "hil.delivery", "hil.injector", "hil.metrics", "hil.observation"}
    | {"hil.outcome", "hil.plant", "hil.record", "hil.recovery", "hil.redundancy"}
    | {"hil.repair", "hil.result"}
    | {"hil.resume", "hil.rig", "hil.run_folder", "hil.run_reports", "hil.steward"}
    | {"hil.upset_limits", "hil.voter"},
    "hil.upset_limits": KERNEL | SCENARIO | {"hil.rig"},
    "hil.loop": ANY,
    "hil.doctor": ANY,
    "hil.discover": LEAVES | {"hil.plant", "hil.rig", "hil.scenario"},
    "hil.perf": ANY,
    "hil.cli": ANY,
    "hil.__main__": {"hil.cli"},
}

# Below the rig's own layer only its values are known: nothing that opens, sends or waits.
RIG_VALUES = {
    "hil.rig.clock_fit": {"ClockEstimate"},
    "hil.rig.link": {"LinkStatistics"},
    "hil.rig.link_state": {"LinkEvent"},
    "hil.rig.messages": {"Health", "Hello", "Limited", "Limits", "Rail", "Reply", "Report", "Sync"},
    "hil.rig.node": {
        "ABSENT", "CRASHED", "DONE", "EXCLUDED", "EXCLUDED_RESULT", "HUNG", "SILENT", "NodeResult",
    },
    "hil.rig.power.monitor": {"PowerEvent"},
    "hil.rig.resync": {"Damage", "Resync"},
}  # fmt: skip
VALUES_ONLY = {"hil.observation", "hil.outcome", "hil.record"}

# What is imported for the type checker alone is no dependency, but is listed all the same.
TYPES_ONLY = {
    ("hil.record.writer", "hil.rig.clock_fit"),
    ("hil.record.writer", "hil.rig.link"),
    ("hil.record.writer", "hil.rig.link_state"),
    ("hil.record.writer", "hil.rig.messages"),
    ("hil.record.writer", "hil.rig.node"),
    ("hil.record.writer", "hil.rig.power.monitor"),
    ("hil.record.writer", "hil.rig.resync"),
    ("hil.record.writer", "hil.outcome"),
    ("hil.record.writer", "hil.recovery"),
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
    for node, for_types in statements(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
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


def layer_of(module: str) -> str:
    return max((layer for layer in ALLOWED if within(module, layer)), key=len, default="")


ALL = [
    imported for module in MODULES for imported in imports(module) if within(imported.target, "hil")
]


def test_there_is_something_to_scan() -> None:
    assert len(ALL) > 50
    assert {"hil.loop", "hil.rig.rig", "hil.record.writer"} <= set(MODULES)


def test_every_module_has_a_layer() -> None:
    homeless = [module for module in MODULES if module != "hil" and not layer_of(module)]
    assert not homeless, "add them to ALLOWED"


def test_imports_go_one_way() -> None:
    wrong = [
        str(i)
        for i in ALL
        if i.target != "hil"  # the version
        and i.importer != "hil"
        and not within(i.target, layer_of(i.importer))
        and not any(within(i.target, allowed) for allowed in ALLOWED.get(layer_of(i.importer), ANY))
        and not (i.for_types and (i.importer, i.target) in TYPES_ONLY)
    ]
    assert not wrong, "\n".join(wrong)


def test_below_the_rig_only_its_values_are_known() -> None:
    wrong = [
        str(i)
        for i in ALL
        if within(i.target, "hil.rig")
        and any(within(i.importer, layer) for layer in VALUES_ONLY)
        and i.name not in RIG_VALUES.get(i.target, set())
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_the_command_line() -> None:
    wrong = [str(i) for i in ALL if within(i.target, "hil.cli") and i.importer != "hil.__main__"]
    assert [w for w in wrong if not w.startswith("hil.cli")] == []


def test_the_package_itself_imports_nothing() -> None:
    assert [str(i) for i in ALL if i.importer == "hil"] == []


WALL_CLOCK = {"hil.clock", "hil.rig.capture"}  # a capture says what time of day it was


@pytest.mark.parametrize(
    "module", [m for m in MODULES if within(m, "hil.rig") or within(m, "hil.engine")]
)
def test_rig_and_engine_know_time_from_their_clock_alone(module: str) -> None:
    """So that whoever gives them another clock gives them another time."""
    text = MODULES[module].read_text(encoding="utf-8")
    named = {
        alias.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert module in WALL_CLOCK or "time" not in named


HEAVY = ("numpy", "textual", "serial", "pydantic", "yaml", "rich", "typer", "hil._kernel")
ENGINE = ("serial", "hil.loop", "hil.repair", "hil.rig.rig", "hil.rig.calls")
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
        ("hil.loop", ("numpy",)),
        ("hil.record.writer", TEXTUAL),
        ("hil.loop", TEXTUAL),
        ("hil.cli", ("textual", "numpy", "pydantic", "hil._kernel", "hil.views", "hil.loop")),
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


# --- C ------------------------------------------------------------------------------------------

C_LAYERS = ("kernel", "wire", "agent", "port")
"""Each sees only those before it."""

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

# The C library that layers below port may use: nothing that does input or output, or allocates.
FREESTANDING = {
    "limits.h", "stddef.h", "stdint.h", "string.h",
    "immintrin.h", "nmmintrin.h", "arm_acle.h",  # the compiler's own
}  # fmt: skip


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


@pytest.mark.parametrize("path", C_FILES, ids=lambda p: str(p.relative_to(CSRC)))
def test_c_includes_go_one_way(path: Path) -> None:
    rank = C_LAYERS.index(c_layer(path))
    for name, ours in c_includes(path):
        if not ours:
            assert rank == 3 or name in FREESTANDING, f"<{name}> below the port layer"
            continue
        target = C_HEADERS[name]
        assert C_LAYERS.index(c_layer(target)) <= rank, f"{name} is of a layer above"
        if rank == 3 and c_layer(target) == "port":
            assert target.parent == path.parent, f"{name} belongs to another port"

"""The bench file: the boards that are connected to this computer, and their ports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from hil.errors import ConfigError
from hil.scenario.console import (
    CONSOLE_BAUD,
    CONSOLE_EXAMPLES,
    ConsoleBaud,
    ConsoleExpression,
    ConsoleName,
    check_consoles,
)
from hil.scenario.fields import FrozenModel, Int
from hil.scenario.places import LABGRID_DESCRIPTION, check_places
from hil.scenario.ports import PORT_EXAMPLES
from hil.scenario.problems import Findings, refuse_newer_schema, translate, wrong_at
from hil.scenario.supply import SupplyConfig
from hil.scenario.tokens import AGENT_FILE_DESCRIPTION, check_tokens
from hil.scenario.words import (
    ADAPTER_EXAMPLES,
    AdapterName,
    Baud,
    BoardDevice,
    BootSeconds,
    NodeName,
    PlaceName,
    PortName,
    SshHost,
    Tag,
)
from hil.scenario.yaml.document import Document
from hil.scenario.yaml.reader import FileKind, parse_yaml, read_yaml

__all__ = ["BENCH_SCHEMA_VERSION", "BenchBoardConfig", "BenchConfig", "load_bench", "parse_bench"]

BENCH_SCHEMA_VERSION = 1
_FILE = FileKind("boards:", "`hil discover -o FILE` writes one with the boards it finds")


class BenchBoardConfig(FrozenModel):
    """One physical board."""

    name: NodeName = Field(description="Unique name: 1 to 16 of a-z, 0-9, _ and -.")
    port: PortName | None = Field(
        default=None, description=f"Where it is: {PORT_EXAMPLES}. With `adapter`: where it was."
    )
    labgrid: PlaceName | None = Field(default=None, description=LABGRID_DESCRIPTION)
    adapter: AdapterName | None = Field(
        default=None, description=f"Its USB adapter, in whatever socket it is: {ADAPTER_EXAMPLES}."
    )
    baud: Baud = Field(
        default=115200, description="Baud rate of the port, with which the agent was started."
    )
    fast_baud: Baud | None = Field(
        default=None,
        description="Baud rate to raise the line to, if that works; default: it stays at `baud`.",
    )
    serial: str | None = Field(
        default=None, description="The board's own serial number: another board is refused."
    )
    absent: bool = Field(
        default=False, description="It did not answer `hil discover`; it is taken last."
    )
    power: SupplyConfig | None = Field(
        default=None, description="The supply that switches its power."
    )
    boot_s: BootSeconds | None = Field(
        default=None,
        description="How long it may take from power-on until its agent answers [s]; boards that "
        "need more than a minute need it. `hil bench test --write` measures it.",
    )
    token_file: str | None = Field(default=None, description=AGENT_FILE_DESCRIPTION)
    console: ConsoleName | None = Field(
        default=None,
        description=f"Where it has a second port, on which it prints, and which is only read: "
        f"{CONSOLE_EXAMPLES}.",
    )
    console_baud: ConsoleBaud | None = Field(
        default=None, description=f"Baud rate of its console; default: {CONSOLE_BAUD}."
    )
    tags: tuple[Tag, ...] = Field(
        default=(), description="Your own words, by which `--use` chooses boards: `[v2, lab3]`."
    )
    profile: str | None = Field(
        default=None,
        description="Board profile, by its name or path: its `voltage_v` must be within that "
        "board's supply range. The node has this profile in a run.",
    )

    ssh: SshHost | None = Field(
        default=None,
        description="How it is reached over ssh, `pi@192.168.1.20` or a name of the ssh "
        "configuration: `hil board install --bench FILE` and `hil bench test` use it.",
    )
    agent_port: BoardDevice | None = Field(
        default=None,
        description="Serial device on the board itself that its agent serves; default: its "
        "profile's.",
    )

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_place(cls, data: Any) -> Any:
        if isinstance(data, dict) and "labgrid" in data and "name" not in data:
            return {"name": data["labgrid"], **data}
        return data

    @property
    def place(self) -> str:
        """Return where the board is connected, for messages."""
        place = f"labgrid place {self.labgrid}" if self.labgrid else "nowhere"
        return self.adapter or self.port or place


class BenchConfig(FrozenModel):
    """All boards of a bench, in the order in which a rig assigns them to nodes."""

    schema_version: Annotated[Int, Field(ge=1, le=BENCH_SCHEMA_VERSION)] = Field(
        default=BENCH_SCHEMA_VERSION, alias="schema", description="Version of this format."
    )
    boards: tuple[BenchBoardConfig, ...] = Field(description="The boards, first choice first.")
    console_patterns: tuple[ConsoleExpression, ...] = Field(
        default=(),
        description="Regular expressions for lines that its boards print when they fail.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> BenchConfig:
        findings = Findings()
        if not self.boards:
            findings.add("boards", "no boards; expected at least one", "run `hil discover`")
        for index, board in enumerate(self.boards):
            if board.port is None and board.adapter is None and board.labgrid is None:
                findings.add(
                    ("boards", index, "port"),
                    f"board {board.name} has none of `port:`, `adapter:` and `labgrid:`; expected "
                    "one of them",
                    f"add `port:`, {PORT_EXAMPLES}",
                )
        self._check_shared(findings, "name", [board.name for board in self.boards])
        # An absent board has left its place, and with an adapter the port is only a note.
        self._check_shared(
            findings,
            "port",
            [None if board.adapter or board.absent else board.port for board in self.boards],
        )
        self._check_shared(
            findings, "adapter", [None if board.absent else board.adapter for board in self.boards]
        )
        self._check_outputs(findings)
        check_consoles(findings, "board", ("boards",), self.boards)
        check_tokens(findings, "board", ("boards",), self.boards)
        check_places(findings, "board", ("boards",), self.boards)
        wrong_at("Bench", findings)
        return self

    def _check_outputs(self, findings: Findings) -> None:
        """Add a finding for each board whose power is switched by the output of an earlier one,
        also of an absent board, whose supply may still be connected."""
        first: dict[str, BenchBoardConfig] = {}
        for index, board in enumerate(self.boards):
            output = None if board.power is None else board.power.output
            if output is None:
                continue
            other = first.setdefault(output, board)
            if other is not board:
                findings.add(
                    ("boards", index, "power"),
                    f"board {board.name} is on {output}, and so is board {other.name}: switching "
                    "one switches the other",
                    "give every board an output of its own, or correct the number",
                )

    @staticmethod
    def _check_shared(findings: Findings, key: str, values: Sequence[str | None]) -> None:
        """Add a finding for each of `values` (one for each board) that an earlier board has."""
        first: dict[str, int] = {}
        for index, value in enumerate(values):
            if value is not None and first.setdefault(value, index) != index:
                findings.add(
                    ("boards", index, key),
                    f"the {key} `{value}` is that of board {first[value] + 1}, too",
                    f"give every board a {key} of its own",
                )


def load_bench(path: str | Path) -> BenchConfig:
    """Read the bench in the file `path`.

    Raises:
        UsageError: There is no such file.
        ConfigError: The file is not a valid bench; names everything that is wrong in it.
    """
    bench = bench_of(read_yaml(Path(path), _FILE))
    folder = Path(path).parent
    return bench.model_copy(
        update={"boards": tuple(_beside(board, folder) for board in bench.boards)}
    )


def _beside(board: BenchBoardConfig, folder: Path) -> BenchBoardConfig:
    """Return a board whose files (its profile, if that is a path, and its token) are relative to
    the folder of its bench file, not to the working directory."""
    files: dict[str, str] = {}
    name = board.profile
    if name is not None and (os.sep in name or name.endswith((".yaml", ".yml"))):
        files["profile"] = str((folder / name).resolve())
    if board.token_file is not None:
        files["token_file"] = str((folder / Path(board.token_file).expanduser()).resolve())
    return board.model_copy(update=files) if files else board


def parse_bench(text: str, *, file: str = "<bench>") -> BenchConfig:
    """Read the bench in `text`; `file` names it in errors.

    Raises:
        ConfigError: The text is not a valid bench.
    """
    return bench_of(parse_yaml(text.encode("utf-8", "surrogatepass"), file))


def bench_of(document: Document) -> BenchConfig:
    """Return the bench that `document` describes.

    Raises:
        ConfigError: The document is not a valid bench.
    """
    refuse_newer_schema(document, BENCH_SCHEMA_VERSION, "bench file")
    problems = list(document.problems)
    try:
        bench = BenchConfig.model_validate(document.data)
    except ValidationError as error:
        problems += translate(error, BenchConfig, document)
    if problems:
        raise ConfigError(dict.fromkeys(sorted(problems, key=lambda p: (p.line, p.column))))
    return bench

"""The rig of a scenario: nodes and their redundancy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import (
    Field,
    model_validator,
)

from hil.scenario.checkers import LEAST_CHECKERS, CheckersConfig
from hil.scenario.console import (
    CONSOLE_BAUD,
    CONSOLE_EXAMPLES,
    ConsoleBaud,
    ConsoleName,
    check_consoles,
)
from hil.scenario.fields import FrozenModel, Int
from hil.scenario.monitors import LEAST_MONITORS, MonitorsConfig
from hil.scenario.orbit_scheme import OrbitSchemeConfig, as_written, refuse_former_keys
from hil.scenario.places import LABGRID_DESCRIPTION, check_places
from hil.scenario.ports import PORT_EXAMPLES
from hil.scenario.problems import Findings, wrong_at
from hil.scenario.supply import SupplyConfig
from hil.scenario.tokens import AGENT_FILE_DESCRIPTION, check_tokens
from hil.scenario.voter import VoterConfig
from hil.scenario.words import (
    ADAPTER_EXAMPLES,
    BOARD_ALIASES,
    FRAMES_MAX,
    AdapterName,
    Baud,
    BoardKind,
    BoardWord,
    BootSeconds,
    NodeName,
    PlaceName,
    PortName,
    SchemeName,
    SchemeWord,
    Unvoted,
    UnvotedWord,
)

NODES_MAX: Final = 8
"""The most nodes of a rig (VOTE_MAX_NODES, csrc/host/vote.h)."""

OF_SERIAL_BOARDS: Final = (
    "adapter",
    "labgrid",
    "serial",
    "power",
    "boot_s",
    "console",
    "console_baud",
    "token_file",
)
"""Keys of nodes that other boards do not have, besides `port`."""


class NodeConfig(FrozenModel):
    """One member of the redundancy group. In a file, a name alone is enough."""

    name: NodeName = Field(description="Unique name: 1 to 16 of a-z, 0-9, _ and -.")
    board: BoardWord = Field(
        default=BoardKind.PROCESS,
        description="What this node runs on; default: that of `rig.board`.",
    )
    port: PortName | None = Field(
        default=None, description=f"Serial boards only, and required there: {PORT_EXAMPLES}."
    )
    baud: Baud = Field(
        default=115200, description="Baud rate of the port, with which the agent was started."
    )
    fast_baud: Baud | None = Field(
        default=None,
        description="Baud rate to raise the line to, if that works; default: it stays at `baud`.",
    )
    profile: str | None = Field(
        default=None,
        description="Board profile: its power, heat and radiation cross-sections; "
        "default: that of `rig.profile`.",
    )
    priority: Annotated[Int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="0 is shed last when power is short; default: the place in the list.",
    )
    adapter: AdapterName | None = Field(
        default=None,
        description=f"Serial boards only: the USB adapter, in whatever socket it is: "
        f"{ADAPTER_EXAMPLES}.",
    )
    labgrid: PlaceName | None = Field(
        default=None, description=f"Serial boards only. {LABGRID_DESCRIPTION}"
    )
    serial: str | None = Field(
        default=None, description="Serial boards only: the board's own serial number."
    )
    power: SupplyConfig | None = Field(
        default=None, description="Serial boards only: the supply that switches their power."
    )
    boot_s: BootSeconds | None = Field(
        default=None,
        description="Serial boards only: how long they may take from power-on until the agent "
        "answers [s].",
    )
    console: ConsoleName | None = Field(
        default=None,
        description="Serial boards only: a second port, on which the board prints, and which is "
        f"only read: {CONSOLE_EXAMPLES}.",
    )
    console_baud: ConsoleBaud | None = Field(
        default=None,
        description=f"Serial boards only: baud rate of the console; default: {CONSOLE_BAUD}.",
    )

    token_file: str | None = Field(
        default=None, description=f"Serial boards; {AGENT_FILE_DESCRIPTION}"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data


class RigConfig(FrozenModel):
    """All nodes of the rig, and their redundancy."""

    scheme: SchemeWord = Field(
        default=SchemeName.TMR,
        description="Number of nodes: simplex 1, dmr 2, tmr 3, and 4mr to 7mr. Time redundancy on "
        "1 node: dual_execution (each step twice, a third time if they differ), triple_execution "
        "(each step three times). Self-checking pairs, in the order of the nodes: triple_pairs "
        "(6 nodes, the pairs that agree with themselves vote), priority_pairs (8 nodes, the first "
        "such pair commands). primary_monitors: 3 nodes or more, of which one commands until its "
        "`monitors` vote it out. Rotation that saves energy: rotating_tmr (3 nodes, two of which "
        "compute while the third is off, in turn; it is woken when they do not agree). "
        "Comparison of plans: plan_pair (2 nodes; the last agreed output is held for 5 frames). "
        "doer_checkers: 2 nodes or more, of which the first computes the workload, and `checkers` "
        "check its result by a reduced one. "
        "With a plant also a mapping, of schemes that follow the orbit: "
        "{in_anomaly: tmr, in_storm: tmr, else: dmr}.",
    )
    unvoted_output: UnvotedWord | None = Field(
        default=None,
        description="What is delivered while one node answers and no other can be compared with "
        "it: `nothing` (default of dmr, of pairs and of rotating_tmr), `last_node` (its own output "
        "if it is the only node in service, else nothing; default of all other schemes), "
        "`deliver` (its own output, also where others are only late), or `hold` (default of "
        "plan_pair; the last voted output again, marked as held, in every frame without a voted "
        "output).",
    )
    unvoted_frames: Annotated[Int, Field(ge=0, le=FRAMES_MAX)] = Field(
        default=0,
        description="Consecutive frames in which `last_node`, `deliver` or `hold` applies at most; "
        "0 = no limit (default of plan_pair: 5). Nothing is delivered after them.",
    )
    turn_frames: Annotated[Int, Field(ge=2, le=FRAMES_MAX)] = Field(
        default=9000,
        description="rotating_tmr: frames after which the next node rests. Others ignore it.",
    )
    voter: VoterConfig = Field(
        default=VoterConfig(),
        description="How the delivered output follows from those of the nodes; default: exact, the "
        "majority of identical outputs. A name alone is enough.",
    )
    hot_spares: Annotated[Int, Field(ge=0, le=NODES_MAX)] = Field(
        default=0,
        description="Nodes after those of the scheme that compute along, and vote when another "
        "leaves the vote.",
    )
    cold_spares: Annotated[Int, Field(ge=0, le=NODES_MAX)] = Field(
        default=0,
        description="Nodes at the end of the list that are off until another is isolated.",
    )
    monitors: MonitorsConfig | None = Field(
        default=None,
        description="With primary_monitors: how many nodes monitor the primary, and when they vote "
        "it out; default: two, both of which must disagree with it in one frame. Others ignore it.",
    )
    checkers: CheckersConfig | None = Field(
        default=None,
        description="With doer_checkers, and required there: what the checkers compute, and how "
        "far the doer's result may be from theirs. Others ignore it.",
    )
    voter_per_node: bool = Field(
        default=False,
        description="Every node has a replica of the voter, which gets its own copy of each reply; "
        "the verdict is that of most replicas. dmr, tmr and 4mr to 7mr.",
    )
    exchange: bool = Field(
        default=False,
        description="With `voter_per_node`: the replicas pass on what they have received, and take "
        "what most of them have (interactive consistency, OM(1)); 4 nodes stand one two-faced one.",
    )
    follows: OrbitSchemeConfig | None = Field(
        default=None,
        description="Written as a mapping in `scheme`: the schemes that follow the orbit.",
    )
    board: BoardWord = Field(
        default=BoardKind.PROCESS,
        description="Kind of board of the nodes that do not state their own.",
    )
    profile: str = Field(
        default="raspberry-pi-4b",
        description="Board profile of nodes that do not state their own: a shipped one, or a file.",
    )
    nodes: tuple[NodeConfig, ...] = Field(
        default=(), description="As many as the scheme needs; default: a, b, c, ..."
    )

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return self.scheme.size + self.monitors_beyond + self.hot_spares + self.cold_spares

    @property
    def monitors_beyond(self) -> int:
        """Return the number of monitors, or checkers, beyond those that the scheme has at least."""
        if self.checkers is not None and self.scheme.has_checkers:
            return self.checkers.count - LEAST_CHECKERS
        if self.monitors is None or not self.scheme.has_primary:
            return 0
        return self.monitors.count - LEAST_MONITORS

    @property
    def unvoted(self) -> Unvoted:
        """Return the rule for frames whose output was not voted on."""
        if self.unvoted_output is not None:
            return self.unvoted_output
        return self.scheme.unvoted

    @property
    def on_stand_by(self) -> int:
        """Return how many nodes, at the end of the list, are off when a run begins."""
        return self.cold_spares + self.scheme.size - self.scheme.awake

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        refuse_former_keys(data)
        data = as_written(dict(data))
        if data.get("scheme") == SchemeName.PLAN_PAIR:
            data.setdefault("unvoted_frames", SchemeName.PLAN_PAIR.unvoted_frames)
        board = data.get("board", BoardKind.PROCESS.value)
        if "nodes" not in data and data.get("scheme", "tmr") in list(SchemeName):
            size = SchemeName(data.get("scheme", "tmr")).size
            data["nodes"] = default_names(size + spares_in(data))
        nodes = data.get("nodes")
        if isinstance(nodes, (list, tuple)) and board in [*BoardKind, *BOARD_ALIASES]:
            data["nodes"] = [
                {"board": board, **({"name": node} if isinstance(node, str) else node)}
                if isinstance(node, (str, dict))
                else node
                for node in nodes
            ]
        return data

    @model_validator(mode="after")
    def _consistent(self) -> RigConfig:
        wrong_at("Rig", self._findings())
        return self

    def _findings(self) -> Findings:
        findings = Findings()
        names: dict[str, int] = {}
        ports: dict[str, str] = {}
        adapters: dict[str, str] = {}
        for index, node in enumerate(self.nodes):
            path = ("nodes", index)
            if node.name in names:
                findings.add(
                    (*path, "name"),
                    f"the name `{node.name}` is that of node {names[node.name] + 1}, too",
                    "give every node a name of its own",
                )
            names.setdefault(node.name, index)
            for key in OF_SERIAL_BOARDS:
                if node.board is not BoardKind.SERIAL and getattr(node, key) is not None:
                    findings.add(
                        (*path, key),
                        f"node {node.name} has `{key}`, but is a {node.board} board",
                        f"remove `{key}:`, or add `board: serial`",
                    )
            has_place = node.port or node.adapter or node.labgrid
            if node.board is BoardKind.SERIAL and not has_place:
                findings.add(
                    (*path, "port"),
                    f"node {node.name} is a serial board without a port; expected {PORT_EXAMPLES}",
                    "add `port:`, run with --bench FILE, or without boards: --boards process",
                )
            if node.board is not BoardKind.SERIAL and node.port is not None:
                findings.add(
                    (*path, "port"),
                    f"node {node.name} has a port, but is a {node.board} board",
                    "remove `port:`, or add `board: serial`",
                )
            elif (
                node.port is not None
                and node.adapter is None
                and ports.setdefault(node.port, node.name) != node.name
            ):
                findings.add(
                    (*path, "port"),
                    f"the port {node.port} is that of node {ports[node.port]}, too",
                    "give every node a port of its own",
                )
            if node.adapter is not None and (
                adapters.setdefault(node.adapter, node.name) != node.name
            ):
                findings.add(
                    (*path, "adapter"),
                    f"the adapter {node.adapter} is that of node {adapters[node.adapter]}, too",
                    "give every node an adapter of its own",
                )
        self._check_outputs(findings)
        check_consoles(findings, "node", ("nodes",), self.nodes)
        check_tokens(findings, "node", ("nodes",), self.nodes)
        check_places(findings, "node", ("nodes",), self.nodes)
        self._check_size(findings)
        return findings

    def _check_outputs(self, findings: Findings) -> None:
        """Add a finding for each node whose power is switched by the output of an earlier one."""
        outputs: dict[str, str] = {}
        for index, node in enumerate(self.nodes):
            output = None if node.power is None else node.power.output
            if output is not None and outputs.setdefault(output, node.name) != node.name:
                findings.add(
                    ("nodes", index, "power"),
                    f"node {node.name} is on {output}, and so is node {outputs[output]}: switching "
                    "one switches the other",
                    "give every node an output of its own",
                )

    def _check_replicas(self, findings: Findings) -> None:
        if self.exchange and not self.voter_per_node:
            findings.add(
                "exchange",
                "there is only one voter; expected `voter_per_node: true`",
                "add it, or remove `exchange`",
            )
        if not self.voter_per_node:
            return
        plain = self.scheme.votes_plainly and self.scheme.size > 1
        for key, possible, what in (
            (
                "scheme",
                plain,
                f"{self.scheme} has no replicas of the voter; dmr, tmr and 4mr to 7mr have",
            ),
            ("unvoted_output", self.unvoted is not Unvoted.HOLD, "replicas hold no output"),
            ("scheme", self.follows is None, "replicas have one scheme"),
        ):
            if not possible:
                findings.add(key, what, "remove `voter_per_node`, or change this")

    def _check_primary(self, findings: Findings) -> None:
        if self.scheme.has_primary and not self.voter.is_exact:
            findings.add(
                "voter",
                "monitors compare digests; expected the voter `exact`",
                "remove it, or choose another scheme",
            )

    def _check_checkers(self, findings: Findings) -> None:
        if self.scheme.has_checkers and not self.voter.is_exact:
            findings.add(
                "voter",
                "the doer's result is accepted or refused as a whole; expected the voter `exact`",
                "remove it; `checkers.bounds` says what is compared",
            )

    def _check_size(self, findings: Findings) -> None:
        if self.follows is not None and self.follows.largest is not self.scheme:
            findings.add("scheme", f"the largest of its schemes is {self.follows.largest}")
        self._check_replicas(findings)
        if self.scheme.pairs and self.unvoted in (Unvoted.LAST_NODE, Unvoted.DELIVER):
            findings.add(
                "unvoted_output",
                f"a node of a pair never speaks alone; {self.scheme} has `nothing` or `hold`",
                "remove it",
            )
        self._check_primary(findings)
        self._check_checkers(findings)
        spares = self.hot_spares + self.cold_spares
        if spares and not self.scheme.votes_plainly:
            findings.add(
                "hot_spares" if self.hot_spares else "cold_spares",
                f"{self.scheme} has no spares; simplex, dmr, tmr and 4mr to 7mr have",
                "remove it, or choose another scheme",
            )
        if self.size > NODES_MAX:
            findings.add(
                "hot_spares" if self.hot_spares else "cold_spares",
                f"{self.scheme} with {_count(spares, 'spare')} has {self.size} nodes; a rig has "
                f"{NODES_MAX} at most",
                "lower it",
            )
        if len(self.nodes) != self.size:
            sizes = {scheme: scheme.size + spares for scheme in SchemeName}
            plain = [n for n in sizes if not (n.has_primary or n.has_checkers)]
            fitting = [scheme for scheme in plain if sizes[scheme] == len(self.nodes)]
            with_spares = f" with {_count(spares, 'spare')}" if spares else ""
            findings.add(
                "nodes",
                f"{_count(len(self.nodes), 'node')}; "
                f"scheme {self.scheme}{with_spares} needs exactly {self.size}",
                f"write `scheme: {fitting[0]}`" if fitting else "add or remove nodes",
            )


def spares_in(rig: object) -> int:
    """Return the number of spares that the raw mapping of a rig has, and of monitors beyond two, or
    checkers beyond one; 0 where it makes no sense."""
    if not isinstance(rig, dict):
        return 0
    values = [rig.get(key) for key in ("hot_spares", "cold_spares")]
    monitors = rig.get("monitors")
    if isinstance(monitors, dict) and rig.get("scheme") == SchemeName.PRIMARY_MONITORS:
        count = monitors.get("count")
        values.append(count - LEAST_MONITORS if type(count) is int else 0)
    checkers = rig.get("checkers")
    if isinstance(checkers, dict) and rig.get("scheme") == SchemeName.DOER_CHECKERS:
        count = checkers.get("count", CheckersConfig.model_fields["count"].default)
        values.append(count - LEAST_CHECKERS if type(count) is int else 0)
    return sum(value for value in values if type(value) is int and 0 < value <= NODES_MAX)


def default_names(count: int, taken: Sequence[str] = ()) -> list[str]:
    """Return `count` node names a, b, c, ... that are not in `taken`."""
    free = (name for name in "abcdefghijklmnopqrstuvwxyz" if name not in taken)
    return [name for name, _ in zip(free, range(count), strict=False)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

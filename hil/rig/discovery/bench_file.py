"""Discovery of boards, and the update of a bench file.

Candidate ports are probed, the boards that answer are matched with those of the bench file, and
only changes are written: boards that moved, returned, are absent, or are new. Nothing is deleted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hil.board_types.catalogue import profile_of_model
from hil.errors import SetupError
from hil.rig.discovery.adapters import Adapter, adapters, matching
from hil.rig.discovery.probe import USUAL_BAUDS, Candidate, ProbeResult, has_rate, probe_all
from hil.rig.transport import PortFault
from hil.scenario.bench import BenchBoardConfig, BenchConfig, load_bench, parse_bench
from hil.scenario.bench_edit import BenchText, NewBoard, fresh_text, is_accepted
from hil.scenario.bench_store import read_bench_file, write_bench_file
from hil.scenario.discovery_report import (
    BenchChange,
    DiscoveredBoard,
    DiscoveryReport,
    UnansweredPort,
)
from hil.wire.messages import Hello

__all__ = ["Discovery", "discover", "merge"]

_GONE = {
    PortFault.MISSING,
    PortFault.SILENT,
    PortFault.TALKS,
    PortFault.ECHO,
    PortFault.VERSION,
    PortFault.OTHER,
}
"""Results that make a board absent; a port that is busy, or may not be opened, does not."""


@dataclass(slots=True)
class Discovery:
    """The result of a discovery: every port that was probed, and the bench's board on it."""

    probed: list[ProbeResult]
    names: dict[str, str] = field(default_factory=dict)
    """The name in the bench file, by port."""
    changes: list[BenchChange] = field(default_factory=list)
    bench: Path | None = None
    left_out: list[str] = field(default_factory=list)
    """What could not be written to the bench file, and why."""

    @property
    def answered(self) -> list[ProbeResult]:
        """Return the ports on which an agent answered."""
        return [p for p in self.probed if p.hello is not None]

    @property
    def shared_serials(self) -> list[str]:
        """Return the serial numbers that several boards report as theirs."""
        count = Counter(p.hello.serial for p in self.probed if p.hello and p.hello.serial)
        return [serial for serial, boards in count.items() if boards > 1]

    def _notes(self) -> list[str]:
        shared = [
            f"serial number {serial} answers at several ports: a board with two agents, or boards "
            "without numbers of their own; they are told apart by their ports alone"
            for serial in self.shared_serials
        ]
        return shared + [note for p in self.answered if (note := _socket_note(p))] + self.left_out

    def report(self) -> DiscoveryReport:
        """Return the result as a value that the user is shown."""
        return DiscoveryReport(
            bench=None if self.bench is None else str(self.bench),
            boards=tuple(self._board(p, p.hello) for p in self.probed if p.hello is not None),
            others=tuple(
                UnansweredPort(p.port, p.identity, p.why, p.reason, p.remedy)
                for p in self.probed
                if p.hello is None
            ),
            changes=tuple(self.changes),
            notes=tuple(self._notes()),
        )

    def _board(self, p: ProbeResult, hello: Hello) -> DiscoveredBoard:
        return DiscoveredBoard(
            name=self.names.get(p.port),
            port=p.port,
            adapter=p.identity,
            baud=p.baud if has_rate(p.port) else None,
            board=hello.board,
            arch=hello.arch,
            serial=hello.serial or None,
            agent_version=hello.version,
            cores=hello.cores,
            memory_mib=hello.memory_mib,
            targets=tuple(sorted(hello.targets)),
        )


def _socket_note(p: ProbeResult) -> str | None:
    """Return a note if the serial number of a board's adapter does not identify it; else None."""
    adapter = p.adapter
    if adapter is None or not (adapter.serial or adapter.location) or adapter.number_doubt is None:
        return None
    if p.identity is None:
        return (
            f"{p.port}: nothing identifies the adapter ({adapter.number_doubt}), so the board is "
            "known by its port alone, which changes with the order of plugging in"
        )
    return (
        f"{p.port}: the adapter is known by its USB socket ({p.identity}), because "
        f"{adapter.number_doubt}; keep it in that socket"
    )


def discover(
    ports: Sequence[str] = (),
    bauds: Sequence[int] = USUAL_BAUDS,
    bench: Path | None = None,
    wait_s: float = 0.6,
    on_done: Callable[[ProbeResult], None] = lambda _: None,
) -> Discovery:
    """Probe `ports` (none: all of this computer, and those of the bench file), and update `bench`.

    `on_done` is called with each result from the thread of its port; `wait_s`: how long to wait for
    an answer at each rate [s]. Raises: ConfigError if the bench file is not valid; SetupError if it
    cannot be updated; RecordError if it cannot be written."""
    known = load_bench(bench) if bench is not None and not _is_blank(bench) else None
    here = adapters()
    candidates = _candidates(ports, known, here)
    discovery = Discovery(
        _without_duplicates(probe_all(candidates, bauds, wait_s, on_done)), bench=bench
    )
    if bench is not None and (known is not None or discovery.answered):
        text = merge(discovery, known, bench, here)
        write_bench_file(bench, text)
    return discovery


def _is_blank(bench: Path) -> bool:
    """Return whether the bench file is missing or empty."""
    return not bench.exists() or (bench.is_file() and not bench.read_bytes().strip())


def _same(first: str, second: str) -> bool:
    if "://" in first or "://" in second:
        return first == second
    return os.path.realpath(first) == os.path.realpath(second)


def _adapter_at(port: str, here: Sequence[Adapter]) -> Adapter | None:
    return next((a for a in here if "://" not in port and _same(a.device, port)), None)


def _candidates(
    ports: Sequence[str], known: BenchConfig | None, here: Sequence[Adapter]
) -> list[Candidate]:
    wanted: list[Candidate] = []
    boards = known.boards if known else ()

    def add(port: str, adapter: Adapter | None, baud: int | None) -> None:
        if not ports and _is_console(port, adapter, boards):
            return  # what is sent to it might be typed at a prompt
        if not any(_same(port, candidate.port) for candidate in wanted):
            wanted.append(Candidate(port, adapter, baud, _token_file(port, boards)))

    for port in ports:
        add(port, _adapter_at(port, here), _configured_rate(port, boards))
    if ports:
        return wanted
    for board in boards:
        at = _adapter_of(board, here)
        if board.adapter is None and board.port is not None:
            add(board.port, _adapter_at(board.port, here), board.baud)
        elif at is not None:
            add(at.stable or at.device, at, board.baud)
    for adapter in here:
        add(adapter.stable or adapter.device, adapter, None)
    return wanted


def _is_console(port: str, adapter: Adapter | None, boards: Sequence[BenchBoardConfig]) -> bool:
    consoles = [board.console for board in boards if board.console is not None]
    named = adapter is not None and any(adapter.is_named_by(console) for console in consoles)
    return named or any(_same(console, port) for console in consoles)


def _configured_rate(port: str, boards: Sequence[BenchBoardConfig]) -> int | None:
    return next((b.baud for b in boards if b.port is not None and _same(b.port, port)), None)


def _token_file(port: str, boards: Sequence[BenchBoardConfig]) -> str | None:
    return next((b.token_file for b in boards if b.port is not None and _same(b.port, port)), None)


def _adapter_of(board: BenchBoardConfig, here: Sequence[Adapter]) -> Adapter | None:
    """Return the adapter that the board names; if it names several, the one at the board's port."""
    if board.adapter is None:
        return None
    candidates = matching(board.adapter, here)
    if len(candidates) > 1:
        candidates = [a for a in candidates if board.port and _same(a.device, board.port)]
    return candidates[0] if candidates else None


def _without_duplicates(probed: list[ProbeResult]) -> list[ProbeResult]:
    """Return the results with each board once: one may answer on several ports."""
    first: dict[int, str] = {}
    out: list[ProbeResult] = []
    for p in probed:
        if p.hello is not None and p.hello.boot_id in first:
            other = first[p.hello.boot_id]
            out.append(
                ProbeResult(
                    p.port, p.adapter, why=PortFault.DOUBLE, reason=f"the same board as at {other}"
                )
            )
            continue
        if p.hello is not None:
            first[p.hello.boot_id] = p.port
        out.append(p)
    return out


# --- the bench file ---------------------------------------------------------------------------


def merge(
    discovery: Discovery, known: BenchConfig | None, bench: Path, here: Sequence[Adapter]
) -> str:
    """Return the updated text of the bench file; add names and changes to `discovery`.

    The text is a valid bench file. Raises: SetupError if no valid one can be written."""
    matched = _match(discovery, known, here)
    if known is None:
        new = _new_boards(discovery, (), ())
        if not new:
            raise SetupError(
                "no board that answered can be written to a bench file: " + discovery.left_out[-1],
                remedy="give its port a plain name, for example a symbolic link",
            )
        return fresh_text(new)
    text, ends = read_bench_file(bench)
    for index, board in enumerate(known.boards):
        there = next((p for p in discovery.probed if matched.get(p.port) == index), None)
        if there is not None:
            discovery.names[there.port] = board.name
            _update(discovery, text, index, board, there, here)
        elif not board.absent and (why := _why_gone(board, discovery, here)):
            text.set_key(index, "absent", value=True)
            discovery.changes.append(BenchChange(board.name, "absent", why))
    taken = [board.name for board in known.boards]
    for entry, comment in _new_boards(discovery, taken, parse_bench(text.text).boards):
        text.append(entry, comment)
    return text.finished().replace("\n", ends)


def _new_boards(
    discovery: Discovery, names: Sequence[str], others: Sequence[BenchBoardConfig]
) -> list[tuple[NewBoard, str]]:
    """Return an entry and a comment for each board that answered and is not in the bench file."""
    taken = list(names)
    used = {board.adapter for board in others if board.adapter is not None and not board.absent}
    new: list[tuple[NewBoard, str]] = []
    for p in discovery.answered:
        assert p.hello is not None
        if p.port in discovery.names:
            continue
        name = _name_for(p.hello, taken)
        entry = _made_acceptable(
            _entry_of(name, p, p.hello, discovery.shared_serials, used), discovery
        )
        if entry is None:
            continue
        taken.append(name)
        if entry.adapter is not None:
            used.add(entry.adapter)
        discovery.names[p.port] = name
        discovery.changes.append(BenchChange(name, "new", p.port))
        new.append((entry, _comment_of(p.hello)))
    return new


def _made_acceptable(entry: NewBoard, discovery: Discovery) -> NewBoard | None:
    """Return a new board's entry without what a bench file cannot contain (names from boards and
    adapters can be any text); None if the rest is not a valid entry."""
    alone = {
        "port": NewBoard("x", port=entry.port),
        "adapter": NewBoard("x", adapter=entry.adapter),
        "serial": NewBoard("x", port="/dev/null", serial=entry.serial),
    }
    keys = dict(entry.items())
    refused = [key for key, board in alone.items() if key in keys and not is_accepted(board)]
    discovery.left_out += [
        f"{entry.port}: a bench file cannot have the {key} {keys[key]!r}" for key in refused
    ]
    accepted = replace(
        entry,
        port=None if "port" in refused else entry.port,
        adapter=None if "adapter" in refused else entry.adapter,
        serial=None if "serial" in refused else entry.serial,
    )
    return accepted if is_accepted(accepted) else None


def _match(
    discovery: Discovery, known: BenchConfig | None, here: Sequence[Adapter]
) -> dict[str, int]:
    """Return the index of the bench's board for each port that answers. The board's own serial
    number has precedence (it identifies the board on any port), then its adapter, then its port."""
    out: dict[str, int] = {}
    boards = list(enumerate(known.boards)) if known else []
    ways: tuple[Callable[[BenchBoardConfig, ProbeResult], bool], ...] = (
        lambda board, p: (
            board.serial not in {None, *discovery.shared_serials} and _has_its_number(board, p)
        ),
        lambda board, p: _may_be(board, p) and _is_on_its_adapter(board, p, here),
        lambda board, p: _may_be(board, p) and _is_at_its_port(board, p),
    )
    for fits in ways:
        for p in discovery.answered:
            free = [(i, board) for i, board in boards if i not in out.values()]
            index = next((i for i, board in free if fits(board, p)), None)
            if p.port not in out and index is not None:
                out[p.port] = index
    return out


def _has_its_number(board: BenchBoardConfig, p: ProbeResult) -> bool:
    return p.hello is not None and board.serial == p.hello.serial


def _may_be(board: BenchBoardConfig, p: ProbeResult) -> bool:
    """Return whether the serial numbers allow it to be this board."""
    hello = p.hello
    return hello is None or not (board.serial and hello.serial) or board.serial == hello.serial


def _is_on_its_adapter(board: BenchBoardConfig, p: ProbeResult, here: Sequence[Adapter]) -> bool:
    return p.adapter is not None and p.adapter == _adapter_of(board, here)


def _is_at_its_port(board: BenchBoardConfig, p: ProbeResult) -> bool:
    return board.adapter is None and board.port is not None and _same(board.port, p.port)


def _why_gone(board: BenchBoardConfig, discovery: Discovery, here: Sequence[Adapter]) -> str:
    """Return why a board of the bench is absent; empty if that is not known."""
    adapter = _adapter_of(board, here)
    if board.adapter is not None and adapter is None:
        many = len(matching(board.adapter, here))
        return f"{board.adapter} is {f'one of {many} adapters' if many else 'not plugged in'}"
    port = adapter.device if adapter is not None else board.port
    for p in discovery.probed:
        if port is None or not _same(p.port, port):
            continue
        if p.hello is not None:
            return f"another board answers there (serial number {p.hello.serial or 'unknown'})"
        return p.reason if p.why in _GONE else ""
    return ""  # its port was not probed


def _is_elsewhere(adapter: str, p: ProbeResult, here: Sequence[Adapter]) -> bool:
    """Return whether `adapter` of a bench file no longer identifies the board's port."""
    return p.adapter is None or matching(adapter, here) != [p.adapter]


def _update(
    discovery: Discovery,
    text: BenchText,
    index: int,
    board: BenchBoardConfig,
    p: ProbeResult,
    here: Sequence[Adapter],
) -> None:
    if board.absent:
        text.set_key(index, "absent", value=False)
        discovery.changes.append(BenchChange(board.name, "back", p.port))
    if board.adapter is not None and _is_elsewhere(board.adapter, p, here):
        text.set_key(index, "adapter", p.identity)
        where = f"adapter {p.identity}" if p.identity else f"{p.port}, which has no identity"
        discovery.changes.append(BenchChange(board.name, "moved", f"to {where}"))
    if board.port is not None and not _same(board.port, p.port):
        text.set_key(index, "port", p.port)
        discovery.changes.append(BenchChange(board.name, "moved", f"from {board.port} to {p.port}"))
    if has_rate(p.port) and board.baud != p.baud:
        text.set_key(index, "baud", p.baud)
        rates = f"answers at {p.baud}, not {board.baud}"
        discovery.changes.append(BenchChange(board.name, "rate", rates))


def _entry_of(
    name: str, p: ProbeResult, hello: Hello, shared: Sequence[str], used: Collection[str]
) -> NewBoard:
    """Return the entry of a board; `used` are the adapters that other boards already name."""
    fast = _fast_rate(hello)
    return NewBoard(
        name,
        port=p.port,
        adapter=None if p.identity in used else p.identity,
        baud=p.baud if has_rate(p.port) and p.baud != 115200 else None,
        serial=None if hello.serial in {"", *shared} else hello.serial,  # shared: identifies none
        fast_baud=fast if has_rate(p.port) and fast > p.baud else None,
    )


def _comment_of(hello: Hello) -> str:
    what = hello.board or hello.arch
    return f"{what}, {hello.cores} cores, {hello.memory_mib} MiB, agent {hello.version}"


def _fast_rate(hello: Hello) -> int:
    """Return the fast rate in the profile of this kind of board [bit/s]; 0 without a profile. A run
    begins at the rate at which the board answers, and returns to it if the fast one fails."""
    profile = profile_of_model(hello.board)
    if profile is not None and profile.serial is not None:
        return int(profile.serial.baud.value)
    return 0


_SHORT = {"raspberry": "pi", "jetson": "jetson", "nvidia": "jetson"}


def _name_for(hello: Hello, taken: Sequence[str]) -> str:
    model = hello.board.lower()
    stem = next((short for word, short in _SHORT.items() if word in model), "board")
    return next(name for n in range(1, 1000) if (name := f"{stem}-{n}") not in taken)

"""Command-line overrides of a scenario, applied to the values of its file before validation.

A scenario whose nodes have no ports is therefore valid with `--bench`, and problems still name the
line in the file, or the option.

Where an option removes what an upset needs (`--scheme simplex`: the other nodes; `--frames 100`:
the later frames), the upset is left out and a notice reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hil.errors import ConfigError, Problem, UsageError
from hil.json_values import JsonObject, JsonValue
from hil.scenario.bench import BenchBoardConfig, BenchConfig, load_bench
from hil.scenario.bench_choice import boards_of
from hil.scenario.durations import frame_count_of, frame_us_of, parse_duration_us
from hil.scenario.orbit_scheme import scheme_word
from hil.scenario.rig import OF_SERIAL_BOARDS, default_names, spares_in
from hil.scenario.words import BoardKind, SchemeName
from hil.scenario.yaml.document import Document, KeyPath

__all__ = ["Overrides", "SideEffects", "apply"]

_NODES: KeyPath = ("rig", "nodes")
_EVENTS: KeyPath = ("upsets", "events")
_PATTERNS: KeyPath = ("console_patterns",)
_RATES: KeyPath = ("upsets", "rates")


@dataclass(frozen=True, slots=True)
class Overrides:
    """Options of `hil run`; None: the value of the scenario.

    `board` is --boards (every node on that kind of board), `bench` is --bench (every node on a
    real board, in the order of that file), `use` is --use (which of them, in its order). With both
    `bench` and `board`, nodes without a board of the bench are on that kind of software board.
    `workload` replaces that of the scenario. Their values are checked with the scenario.
    `from_python`: they are arguments of a call, and errors name them so.
    """

    scheme: str | None = None
    board: str | None = None
    bench: str | Path | None = None
    use: tuple[str, ...] = ()
    seed: int | None = None
    frames: int | None = None
    duration: str | None = None
    pace: str | None = None
    accel: float | None = None
    workload: str | None = None
    from_python: bool = field(default=False, compare=False)

    def option(self, name: str) -> str:
        """Return an option as the user gave it: `--seed`, or `seed=` of a call."""
        return f"{name}=" if self.from_python else f"--{name}"


@dataclass(frozen=True, slots=True)
class SideEffects:
    """The effects of options beyond the values that they name.

    `notices` are for the user; `left_out` names the upsets that an option removed, and is shown
    beside the verdict.
    """

    notices: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def apply(document: Document, overrides: Overrides) -> tuple[Document, SideEffects]:
    """Return `document` with `overrides` applied, and their side effects.

    Raises:
        UsageError: Two options contradict each other, or the bench file does not exist.
        ConfigError: The bench file is not valid, or has too few boards.
    """
    if overrides.frames is not None and overrides.duration is not None:
        both = f"{overrides.option('frames')} and {overrides.option('duration')}"
        raise UsageError(f"{both} exclude each other", remedy="give only one")
    if overrides.use and overrides.bench is None:
        raise UsageError("--use chooses boards of a bench", remedy="add --bench FILE")
    document = document.copied()
    effects = SideEffects()
    # Read before anything is changed.
    old_count = _frame_count(document)
    if overrides.scheme is not None:
        _set_scheme(document, overrides.scheme, overrides.option("scheme"), effects)
    if overrides.board is not None:
        _set_board(document, overrides.board, overrides.option("boards"))
    if overrides.bench is not None:
        bench = load_bench(overrides.bench)
        used = boards_of(bench, overrides.use) if overrides.use else bench.boards
        chosen = _Chosen(bench, used, ordered=bool(overrides.use))
        _set_bench(document, overrides.bench, chosen, overrides.board, effects.notices)
    for path, value in (
        (("seed",), overrides.seed),
        (("pace",), overrides.pace),
        (("upsets", "accel"), overrides.accel),
        (("workload",), overrides.workload),
    ):
        if value is not None:
            document.replace(path, value, overrides.option(path[-1]))
    _set_length(document, overrides, old_count, effects)
    return document, effects


# Rig ----------------------------------------------------------------------------------------------


def _scheme(document: Document) -> SchemeName | None:
    """Return the scheme as written, or its default; None if it is not valid."""
    rig = document.data.get("rig", {})
    return scheme_word(rig.get("scheme", SchemeName.TMR)) if isinstance(rig, dict) else None


def _size(document: Document, scheme: SchemeName) -> int:
    """Return the number of nodes of a rig with this scheme and the spares of the document."""
    return scheme.size + spares_in(document.data.get("rig"))


def _names(document: Document) -> list[str]:
    """Return the names of the nodes, "" where one is not known."""
    nodes = document.get(_NODES)
    if nodes is None:
        scheme = _scheme(document)
        return [] if scheme is None else default_names(_size(document, scheme))
    if not isinstance(nodes, list):
        return []
    names = [node.get("name") if isinstance(node, dict) else node for node in nodes]
    return [name if isinstance(name, str) else "" for name in names]


def _set_scheme(document: Document, word: str, option: str, effects: SideEffects) -> None:
    names = _names(document)
    document.replace(("rig", "scheme"), word, option)
    scheme = _scheme(document)
    if scheme is None:
        return
    size = _size(document, scheme)
    removed, remaining = names[size:], names[:size]
    nodes = document.get(_NODES)
    if isinstance(nodes, list):
        document.keep(_NODES, list(range(min(len(nodes), size))))
        for name in default_names(size - len(nodes), remaining):
            document.append(_NODES, name, option)
    if not removed:
        return
    removed_names = [
        name for name in removed if name not in remaining
    ]  # a list: values may be unhashable
    events = _drop(document, _EVENTS, lambda event: event.get("node") not in removed_names)
    for index, rate in _mappings(document, _RATES):
        named = rate.get("nodes")
        if isinstance(named, list):
            positions = [i for i, name in enumerate(named) if name not in removed_names]
            if positions:
                document.keep((*_RATES, index, "nodes"), positions)
    rates = _drop(document, _RATES, lambda rate: not _only(rate.get("nodes"), removed_names))
    _leave_out(
        effects,
        f"--scheme {word} leaves out {_count(len(removed), 'node')} ({', '.join(removed)})",
        f"--scheme {word}",
        [
            *([_count(events, "upset event")] if events else []),
            *([_count(rates, "upset rate")] if rates else []),
        ],
    )


def _only(names: object, allowed: Sequence[str]) -> bool:
    return isinstance(names, list) and bool(names) and all(name in allowed for name in names)


def _set_board(document: Document, word: str, option: str) -> None:
    document.replace(("rig", "board"), word, option)
    for index, _ in _mappings(document, _NODES):
        document.remove((*_NODES, index, "board"))
        if word != BoardKind.SERIAL:
            for key in ("port", *OF_SERIAL_BOARDS):
                document.remove((*_NODES, index, key))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Boards of a bench that a rig may take. `ordered`: their order is that of `--use`."""

    bench: BenchConfig
    boards: tuple[BenchBoardConfig, ...]
    ordered: bool

    def first(self, count: int) -> list[BenchBoardConfig]:
        """Return the boards that a rig of `count` nodes takes."""
        if self.ordered:
            return list(self.boards[:count])
        taken = sorted(self.boards, key=lambda board: board.absent)[:count]
        return sorted(taken, key=self.bench.boards.index)


def _set_bench(
    document: Document, path: str | Path, available: _Chosen, fill: str | None, notices: list[str]
) -> None:
    scheme = _scheme(document)
    if scheme is None:
        return
    need, have = _size(document, scheme), len(available.boards)
    if have < need and fill is None:
        raise ConfigError(
            [
                Problem(
                    str(path),
                    0,
                    0,
                    "$.boards",
                    f"{'--use chooses' if available.ordered else 'the bench has'} "
                    f"{_count(have, 'board')}; scheme {scheme} needs {need}",
                    "add boards (`hil discover`), choose a smaller --scheme, or put the others on "
                    "software boards with --boards process",
                )
            ]
        )
    chosen = available.first(need)
    old_names = _names(document)
    new_names = [board.name for board in chosen]
    nodes = [_node_of(board) for board in chosen]
    document.replace(("rig", "board"), "serial", f"--bench {path}")
    if have < need:
        software = _software_names(old_names, new_names, need - have)
        nodes += [{"name": name, "board": fill} for name in software]
        notices.append(
            f"MIXED rig: {', '.join(new_names)} on real boards, {', '.join(software)} on software "
            f"boards ({fill})"
        )
        new_names += software
    document.replace(_NODES, nodes, f"--bench {path}")
    _add_patterns(document, available.bench.console_patterns, f"--bench {path}")
    if not set(old_names) <= set(new_names):
        # The bench lacks these names: the first board takes the place of the first node.
        _rename(document, dict(zip(old_names, new_names, strict=False)))
        roles = zip(old_names, chosen, strict=False)
        pairs = ", ".join(f"{old} is {board.name} ({board.place})" for old, board in roles)
        notices.append(f"nodes take the names of the bench's boards: {pairs}")
    absent = [board.name for board in chosen if board.absent]
    if absent:
        notices.append(f"marked absent in the bench, tried all the same: {', '.join(absent)}")
    if have > need:
        unused = ", ".join(board.name for board in available.boards if board not in chosen)
        notices.append(
            f"scheme {scheme} needs {_count(need, 'board')}; not used of the bench: {unused}"
        )


def _add_patterns(document: Document, patterns: Sequence[str], source: str) -> None:
    """Add the console patterns of a bench to those of the scenario."""
    if patterns and document.get(_PATTERNS) is None:
        document.replace(_PATTERNS, [], source)
    for pattern in patterns:
        document.append(_PATTERNS, pattern, source)


def _node_of(board: BenchBoardConfig) -> JsonObject:
    """Return a node on that board, as a scenario would write it."""
    node = board.model_dump(mode="json", exclude_unset=True, exclude={"absent", "tags"})
    return {"board": "serial", "baud": board.baud, **node}


def _software_names(old: Sequence[str], taken: Sequence[str], count: int) -> list[str]:
    """Return names of nodes without a board of the bench: their own where those are free."""
    own = [name for name in old[len(taken) :] if name and name not in taken][:count]
    return own + default_names(count - len(own), [*taken, *own])


def _rename(document: Document, new_name: dict[str, str]) -> None:
    for _, event in _mappings(document, _EVENTS):
        name = event.get("node")
        if isinstance(name, str):
            event["node"] = new_name.get(name, name)
    for _, rate in _mappings(document, _RATES):
        names = rate.get("nodes")
        if isinstance(names, list):
            names[:] = [new_name.get(n, n) if isinstance(n, str) else n for n in names]


# Length -------------------------------------------------------------------------------------------


def _frame_count(document: Document) -> int | None:
    """Return the length of the run in frames, or None if it is not valid."""
    frames, duration = document.data.get("frames"), document.data.get("duration")
    frame_ms = document.data.get("frame_ms", 10)
    if not isinstance(frame_ms, (int, float)) or not 0.01 <= frame_ms <= 60_000:
        return None
    try:
        if isinstance(frames, int) and duration is None:
            return frame_count_of(frames, None, frame_ms)
        if frames is None and isinstance(duration, str):
            return frame_count_of(None, duration, frame_ms)
    except ValueError:
        pass
    return None


def _set_length(
    document: Document, overrides: Overrides, old_count: int | None, effects: SideEffects
) -> None:
    if overrides.frames is not None:
        option, shown = "--frames", str(overrides.frames)
        document.remove(("duration",))
        document.replace(("frames",), overrides.frames, overrides.option("frames"))
    elif overrides.duration is not None:
        option, shown = "--duration", overrides.duration
        document.remove(("frames",))
        document.replace(("duration",), overrides.duration, overrides.option("duration"))
    else:
        return
    count = _frame_count(document)
    if count is None or count < 1:
        return

    def stays(event: dict[str, JsonValue]) -> bool:
        frame = _frame_of(event, document)
        if frame is None or frame < count:
            return True
        return old_count is not None and frame >= old_count  # wrong without the option as well

    events = _drop(document, _EVENTS, stays)
    if events:
        _leave_out(
            effects,
            f"{option} {shown} ends the run at frame {count}",
            f"{option} {shown}",
            [_count(events, "upset event")],
        )


def _frame_of(event: dict[str, JsonValue], document: Document) -> int | None:
    """Return the frame of an event, given as a frame or as a time; None if it is not valid."""
    frame, at = event.get("frame"), event.get("at")
    if isinstance(at, str):
        frame_ms = document.data.get("frame_ms", 10.0)
        if not isinstance(frame_ms, (int, float)):
            return None
        try:
            return parse_duration_us(at) // frame_us_of(frame_ms)
        except (ValueError, ArithmeticError):
            return None
    return frame if isinstance(frame, int) else None


# Lists --------------------------------------------------------------------------------------------


def _mappings(document: Document, path: KeyPath) -> Sequence[tuple[int, dict[str, JsonValue]]]:
    """Return the mappings in the list at `path`, with their positions."""
    items = document.get(path)
    if not isinstance(items, list):
        return []
    return [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]


def _drop(document: Document, path: KeyPath, stays: Callable[[dict[str, JsonValue]], bool]) -> int:
    """Remove the mappings from the list at `path` that do not satisfy `stays`; return how many."""
    dropped = {index for index, item in _mappings(document, path) if not stays(item)}
    items = document.get(path)
    if dropped and isinstance(items, list):
        document.keep(path, [index for index in range(len(items)) if index not in dropped])
    return len(dropped)


def _leave_out(effects: SideEffects, notice: str, option: str, upsets: Sequence[str]) -> None:
    """Note the effect of an option, and which `upsets` are left out because of it."""
    if upsets:
        what = " and ".join(upsets)
        notice += f"; left out with it: {what}"
        effects.left_out.append(f"{what} left out by {option}")
    effects.notices.append(notice)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

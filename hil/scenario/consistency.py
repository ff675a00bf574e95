"""Rules between the parts of a scenario: its length, its upsets, its program and its plant.

`Scenario` applies them to itself; the loader applies those of length and upsets also to the valid
parts of a scenario that is not valid, so that everything wrong is reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hil.scenario.durations import frame_count_of, frame_us_of
from hil.scenario.offload import OffloadConfig
from hil.scenario.outputs import OutputField
from hil.scenario.plant.flight import PlantConfig
from hil.scenario.problems import Findings, did_you_mean
from hil.scenario.program import ExecConfig
from hil.scenario.recovery import BestInterval, RecoveryConfig
from hil.scenario.rig import NodeConfig, RigConfig
from hil.scenario.upsets import UpsetEventConfig, UpsetRateConfig, UpsetsConfig
from hil.scenario.voter import FieldVoterConfig, VoterConfig, VoterName
from hil.scenario.words import (
    FRAMES_MAX,
    PROCESS_TARGETS,
    BoardAction,
    BoardKind,
    SchemeName,
    UpsetTarget,
)
from hil.scenario.yaml.document import KeyPath

__all__ = [
    "checkpoint_findings",
    "cold_start_findings",
    "execution_findings",
    "length_findings",
    "orbit_scheme_findings",
    "plant_findings",
    "program_findings",
    "receiver_findings",
    "upset_findings",
    "voter_findings",
]


def length_findings(frames: int | None, duration: str | None, frame_ms: float) -> Findings:
    """Return the problems of the length of a run, of parts that are valid by themselves."""
    findings = Findings()
    if frames is not None and duration is not None:
        findings.add("duration", "both `frames` and `duration` are given", "remove one of them")
    elif frames is None and duration is None:
        findings.add(
            "frames",
            "the length of the run is missing; expected `frames` or `duration`",
            "add for example `frames: 1000` or `duration: 10s`",
        )
    else:
        count = frame_count_of(frames, duration, frame_ms)
        if count < 1:
            findings.add("duration", f"{duration} is shorter than one frame ({frame_ms:g} ms)")
        elif count > FRAMES_MAX:
            findings.add("duration", f"{duration} is {count} frames; at most {FRAMES_MAX} are run")
    return findings


def upset_findings(
    frame_count: int | None,
    frame_us: int | None,
    boards: Mapping[str, BoardKind | None] | None,
    events: Mapping[int, UpsetEventConfig],
    rates: Mapping[int, UpsetRateConfig],
) -> Findings:
    """Return the problems between upsets and the rest of a scenario; arguments that are None are
    not known and not checked.

    `boards` is the kind of board of each node; events and rates go by their position in the file.
    """
    findings = _board_ram_findings(boards or {}, events, rates)

    def unknown(path: KeyPath, name: str, names: Mapping[str, object]) -> None:
        findings.add(
            path,
            f"there is no node `{name}`; the rig has {', '.join(names)}",
            did_you_mean(name, names),
        )

    def unreachable(path: KeyPath, target: UpsetTarget, nodes: Sequence[str]) -> None:
        many = len(nodes) > 1
        findings.add(
            path,
            f"target {target} needs a worker process, but "
            f"{'nodes' if many else 'node'} {', '.join(nodes)} "
            f"{'are inproc boards' if many else 'is an inproc board'}",
            "run with --boards process, or remove it",
        )

    for index, event in events.items():
        at = ("upsets", "events", index)
        if frame_count is not None:
            findings += _too_late(at, event, frame_count, frame_us)
        if boards is not None:
            if event.node not in boards:
                unknown((*at, "node"), event.node, boards)
            elif boards[event.node] is BoardKind.INPROC and event.target in PROCESS_TARGETS:
                unreachable((*at, "target"), event.target, [event.node])
    for index, rate in rates.items() if boards is not None else ():
        assert boards is not None
        at = ("upsets", "rates", index)
        for position, name in enumerate(rate.nodes or ()):
            if name not in boards:
                unknown((*at, "nodes", position), name, boards)
        inproc = [name for name in rate.nodes or boards if boards.get(name) is BoardKind.INPROC]
        for position, target in enumerate(rate.targets):
            if inproc and target in PROCESS_TARGETS:
                unreachable((*at, "targets", position), target, inproc)
    return findings


def execution_findings(scheme: SchemeName, events: Mapping[int, UpsetEventConfig]) -> Findings:
    """Return the problems of events in executions of a step that `scheme` does not have."""
    findings = Findings()
    for index, event in events.items():
        if event.target is UpsetTarget.TIMING and scheme.executions > 1:
            findings.add(
                ("upsets", "events", index, "target"),
                f"{scheme} executes each step {scheme.executions} times; the timing of its "
                "executions is not modelled",
                "choose another scheme, or another target",
            )
        if event.execution > scheme.executions:
            often = "once" if scheme.executions == 1 else f"{scheme.executions} times"
            findings.add(
                ("upsets", "events", index, "execution"),
                f"scheme {scheme} executes each step {often}; there is no execution "
                f"{event.execution}",
                "remove `execution:`, or choose a scheme such as triple_execution",
            )
    return findings


def receiver_findings(rig: RigConfig, events: Mapping[int, UpsetEventConfig]) -> Findings:
    """Return the problems of events that hit copies of replies for voters that the rig does not
    have, or messages that these do not exchange."""
    findings = Findings()
    names = {node.name: node for node in rig.nodes}
    for index, event in events.items():
        at: KeyPath = ("upsets", "events", index)
        keys: list[tuple[KeyPath, str]] = [((*at, "to", n), to) for n, to in enumerate(event.to)]
        if event.passes_on is not None:
            keys.append(((*at, "passes_on"), event.passes_on))
        for path, name in keys:
            if name not in names:
                what = f"there is no node `{name}`; the rig has {', '.join(names)}"
                findings.add(path, what, did_you_mean(name, names))
        if event.to and not rig.voter_per_node:
            findings.add(
                (*at, "to"),
                "the rig has one voter, which gets one copy of each reply",
                "add `voter_per_node: true` to the rig, or remove it",
            )
        elif event.passes_on is not None and not rig.exchange:
            findings.add(
                (*at, "passes_on"),
                "the voters pass nothing on",
                "add `exchange: true` to the rig, or remove it",
            )
    return findings


def orbit_scheme_findings(rig: RigConfig, plant: PlantConfig | None) -> Findings:
    """Return a problem of a rig that follows the flux of an orbit that there is not."""
    findings = Findings()
    if rig.follows is not None and plant is None:
        findings.add(
            ("rig", "scheme"),
            "the scheme follows the flux along an orbit, but there is no plant",
            "add `plant:` with an orbit, or write one scheme",
        )
    return findings


def checkpoint_findings(recovery: RecoveryConfig, upsets_per_s: float) -> Findings:
    """Return what is missing, or of no use, for the best interval between checkpoints."""
    findings = Findings()
    every = recovery.checkpoint_every
    stated = {
        "checkpoint_cost": recovery.checkpoint_cost,
        "mean_time_between_upsets": recovery.mean_time_between_upsets,
    }
    if not isinstance(every, BestInterval):
        for key, value in stated.items():
            if value is not None:
                findings.add(
                    ("recovery", key),
                    f"`checkpoint_every: {every}` does not follow from it",
                    "remove it, or write `checkpoint_every: young`",
                )
        return findings
    if recovery.checkpoint_cost is None:
        findings.add(
            ("recovery", "checkpoint_every"),
            f"`{every}` needs to know how long a checkpoint takes",
            "add for example `checkpoint_cost: 40ms`",
        )
    if recovery.mean_time_between_upsets is None and not upsets_per_s:
        findings.add(
            ("recovery", "checkpoint_every"),
            f"`{every}` needs the rate of upsets, and `upsets.rates` has none",
            "add for example `mean_time_between_upsets: 20min`; `hil orbit` prints an orbit's",
        )
    return findings


def cold_start_findings(recovery: RecoveryConfig, nodes: Sequence[NodeConfig]) -> Findings:
    """Return the problems of the order in which nodes wake up."""
    findings = Findings()
    names = [node.name for node in nodes]
    order = () if recovery.cold_start is None else recovery.cold_start.order
    for index, name in enumerate(order):
        at = ("recovery", "cold_start", "order", index)
        if name not in names:
            message = f"there is no node `{name}`; the rig has {', '.join(names)}"
            findings.add(at, message, did_you_mean(name, names))
        elif name in order[:index]:
            findings.add(at, f"node {name} is in the order twice", "remove one")
    return findings


def _board_ram_findings(
    boards: Mapping[str, BoardKind | None],
    events: Mapping[int, UpsetEventConfig],
    rates: Mapping[int, UpsetRateConfig],
) -> Findings:
    """Return the problems of upsets of a whole board's memory: only emulated boards have such a
    target.
    """
    findings = Findings()
    hit: list[tuple[KeyPath, Sequence[str]]] = [
        (("upsets", "events", index, "target"), [event.node])
        for index, event in events.items()
        if event.target is UpsetTarget.BOARD_RAM
    ]
    hit += [
        (("upsets", "rates", index, "targets", position), rate.nodes or list(boards))
        for index, rate in rates.items()
        for position, target in enumerate(rate.targets)
        if target is UpsetTarget.BOARD_RAM
    ]
    for path, nodes in hit:
        others = [
            n for n in nodes if (boards.get(n) or BoardKind.EMULATED) is not BoardKind.EMULATED
        ]
        if others:
            many = len(others) > 1
            findings.add(
                path,
                "target board-ram is the whole memory of an emulated board, but "
                f"{'nodes' if many else 'node'} {', '.join(others)} "
                f"{'are not emulated boards' if many else 'is not an emulated board'}",
                "run with --boards emulated, or remove it",
            )
    return findings


def _too_late(
    at: KeyPath, event: UpsetEventConfig, frame_count: int, frame_us: int | None
) -> Findings:
    """Return a problem if the event at `at` is past the end of the run."""
    findings = Findings()
    if event.frame is not None and event.frame >= frame_count:
        findings.add(
            (*at, "frame"),
            f"frame {event.frame} is past the end of the run; expected 0 to {frame_count - 1}",
        )
    elif event.frame is None and frame_us is not None and event.frame_at(frame_us) >= frame_count:
        findings.add((*at, "at"), f"{event.at} is past the end of the run")
    return findings


def program_findings(
    is_program: bool,
    program: ExecConfig | None,
    nodes: Sequence[NodeConfig],
    upsets: UpsetsConfig,
) -> Findings:
    """Return the problems between a program as the workload and the rest of a scenario."""
    findings = Findings()
    if (program is None) is is_program:
        findings.add(
            "exec",
            "the workload `exec` needs to know which program; expected {program: NAME}"
            if program is None
            else "this workload does not run a program",
            "" if program is None else "remove `exec:`, or write `workload: exec`",
        )
    if program is None:
        return findings
    for index, node in enumerate(nodes):
        if node.board is BoardKind.INPROC:
            findings.add(
                ("rig", "nodes", index, "board"),
                f"node {node.name} is an inproc board, which cannot run programs",
                "use `process`",
            )
    counted = "the instructions of a program are not counted"
    for index, event in enumerate(upsets.events):
        if event.steps:
            findings.add(("upsets", "events", index, "steps"), counted, "use `tick` or `us`")
    for index, rate in enumerate(upsets.rates):
        if rate.steps_max:
            findings.add(("upsets", "rates", index, "steps_max"), counted, "remove it")
    if upsets.orbit.steps_max:
        findings.add(("upsets", "orbit", "steps_max"), counted, "remove it")
    return findings


def plant_findings(
    plant: PlantConfig | None,
    nodes: Sequence[NodeConfig],
    upsets: UpsetsConfig,
    frame_ms: float,
) -> Findings:
    """Return the problems between the plant and the rest of a scenario."""
    findings = Findings()
    if plant is None:
        for index, event in enumerate(upsets.events):
            if event.action is BoardAction.LATCH_UP:
                findings.add(
                    ("upsets", "events", index, "action"),
                    "a latch-up draws current from a power system, but there is no plant",
                    "add `plant:`, or use `action: power_loss`",
                )
        return findings
    inproc = [n.name for n in nodes if n.board is BoardKind.INPROC]
    for position, target in enumerate(upsets.orbit.targets):
        if inproc and target in PROCESS_TARGETS:
            findings.add(
                ("upsets", "orbit", "targets", position),
                f"target {target} needs a worker process, but {', '.join(inproc)} "
                "are inproc boards",
                "run with --boards process, or remove it",
            )
    frame_us = frame_us_of(frame_ms)
    if plant.step_us % frame_us and frame_us % plant.step_us:
        findings.add(
            ("plant", "step_s"),
            f"{plant.step_s:g} s and frames of {frame_ms:g} ms do not fit; expected "
            "one to be a whole multiple of the other",
            "change one of them",
        )
    return findings


def offload_findings(offload: OffloadConfig | None, plant: PlantConfig | None) -> Findings:
    """Return the problems between the links to the ground and the plant."""
    findings = Findings()
    if offload is None:
        return findings
    if offload.downlink is not None:
        if plant is None or plant.orbit is None:
            findings.add(
                ("offload", "downlink"),
                "contacts follow from an orbit, and there is none",
                "add `plant.orbit:`, or use only `isl:`",
            )
        elif not plant.stations:
            findings.add(
                ("offload", "downlink"),
                "there is no ground station",
                "add `plant.stations:`, or use only `isl:`",
            )
    if plant is not None and plant.skip_quiet:
        findings.add(
            ("plant", "skip_quiet"),
            "frames that are skipped have no outputs that could be sent to the ground",
            "remove it, or make frames longer (`frame_ms`)",
        )
    return findings


def voter_findings(
    voter: VoterConfig, scheme: SchemeName, fields: Sequence[OutputField]
) -> Findings:
    """Return the problems between the voter of the rig, its scheme, and the fields of the
    output."""
    findings = Findings()
    if scheme.executions > 1 and not voter.is_exact:
        findings.add(
            ("rig", "voter"),
            f"scheme {scheme} compares the executions of a step exactly",
            "remove `voter:`, or choose a scheme with several nodes",
        )
    names = [field.name for field in fields]
    for name in voter.fields:
        if name not in names:
            known = f"it has {', '.join(names)}" if names else "none are known"
            findings.add(
                ("rig", "voter", "fields", name),
                f"the output has no field `{name}`; {known}",
                did_you_mean(name, names) or "declare it with `fields:` of the workload",
            )
    places: list[tuple[tuple[str, ...], FieldVoterConfig, Sequence[OutputField]]] = [
        (("rig", "voter", "ignore_bits"), voter, fields)
    ]
    for name, rule in voter.fields.items():
        own = [field for field in fields if field.name == name]
        places.append((("rig", "voter", "fields", name, "ignore_bits"), rule, own))
    for place, rule, concerned in places:
        if rule.ignore_bits and concerned and all(f.significant_bits for f in concerned):
            findings.add(
                place,
                f"only integers have bits to ignore; {concerned[0].name} is {concerned[0].type}",
                "remove it, or write `tolerance`",
            )
    needs_fields = voter.kind not in (VoterName.EXACT, VoterName.BITWISE, VoterName.PLURALITY)
    if needs_fields and not fields:
        findings.add(
            ("rig", "voter"),
            f"the voter `{voter.kind}` needs the fields of the output, and none are known",
            "declare them with `fields:` of the workload",
        )
    return findings

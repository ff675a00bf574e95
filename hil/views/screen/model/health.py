"""The health of the system, from its facts: the present state, and the effect of one more fault.
Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.record.live import State
from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import NodeStatus
from hil.run_outcome import RunOutcome
from hil.views.alarm_limits import Level
from hil.views.correctness import Answered, names_text
from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.facts import NodeFacts, Scene
from hil.views.screen.model.pairs import pairs_of
from hil.views.style import duration, flight_time, plural

__all__ = [
    "STALE_S",
    "NodeHealth",
    "Redundancy",
    "health",
    "heard_age_us",
    "is_stale",
    "node_level",
    "reading_age_s",
    "redundancy",
    "stale_s",
]

STALE_S: Final = 3.0
"""The least age of stale values [s]: boards report once a second, and the record is committed four
times a second."""

_NAMES_MAX: Final = 16
"""The most letters of names of nodes in a reason."""
_WORDS: Final = {3: "TMR", 2: "DMR", 1: "SIMPLEX", 0: "NONE"}


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """The health of the system: a word, its level, the reason, and the time since it holds."""

    word: str
    level: Level
    why: str
    since_us: int | None = None


@dataclass(frozen=True, slots=True)
class Redundancy:
    """The nodes that vote, and the effect of one more fault. `rule`: the output if only one of them
    answered."""

    mode: str
    voting: int
    of: int
    margin: int
    level: Level
    text: str
    rule: str = ""


def redundancy(scene: Scene) -> Redundancy:
    """Return the mode that the rig is in now."""
    rule = scene.run.rule
    if rule.resting:
        return _of_rotation(scene)
    total = len(scene.nodes) - rule.spares
    if rule.pairs:
        return _of_pairs(scene)
    able = sum(node.state == NodeState.VOTING for node in scene.nodes)
    voting, ready = min(able, total), max(0, able - total)
    ready += sum(node.on_stand_by for node in scene.nodes)
    margin = max(0, (voting - 1) // 2)
    mode = _WORDS.get(voting, f"{voting}MR")
    if rule.executions > 1 and voting:
        mode = f"{rule.executions} EXECUTIONS"
        text = "a permanent fault goes unnoticed"
    elif margin:
        text = f"{plural(margin, 'more fault')} can be outvoted"
    elif voting == 2:
        text = "a fault is seen, not outvoted"
    elif total > 1 and voting == 1 and rule.alone:
        text = rule.alone.partition(": ")[2]
    elif voting == 1:
        text = "a fault goes unnoticed"
    else:
        text = "no node votes"
    if rule.has_primary:
        mode, text = "PRIMARY", _commands(scene, text)
    elif rule.checkers is not None:
        return _of_checkers(scene)
    if rule.spares:
        text += f", {plural(ready, 'spare')} left"
    level = Level.GOOD if voting == total else Level.WARN if voting else Level.BAD
    return Redundancy(mode, voting, total, margin, level, text, rule.alone if voting == 2 else "")


def _of_rotation(scene: Scene) -> Redundancy:
    """Return the mode of a rig whose nodes rest in turn."""
    total = len(scene.nodes) - scene.run.rule.resting
    able = sum(node.state == NodeState.VOTING for node in scene.nodes)
    rests = [node.name for node in scene.nodes if node.on_stand_by]
    names = ", ".join(rests)
    if able > 2:
        text = f"{plural((able - 1) // 2, 'more fault')} can be outvoted"
    elif able == 2 and rests:
        text = f"a fault is seen, and outvoted when {names} is awake"
    elif able == 2:
        text = "a fault is seen, not outvoted"
    elif able:
        text = scene.run.rule.alone.partition(": ")[2]
    else:
        text = "no node votes"
    margin = max(0, min(1, able - 1) if rests else (able - 1) // 2)
    level = Level.GOOD if able >= total and margin else Level.WARN if able else Level.BAD
    rule = scene.run.rule.alone if able == 2 else ""
    return Redundancy("ROTATION", min(able, total), total, margin, level, text, rule)


def _commands(scene: Scene, alone: str) -> str:
    """Return who commands in a rig with a primary, and how many nodes monitor it; `alone`: the text
    for one node that has no monitor."""
    primary = None if scene.vote is None else scene.vote.primary
    names = [node.name for node in scene.nodes if node.index == primary]
    monitors = sum(n.state == NodeState.VOTING and n.index != primary for n in scene.nodes)
    if not names:
        return "nobody commands"
    watched = plural(monitors, "monitor") if monitors else f"no monitor, {alone}"
    return f"{names[0]} commands, {watched}"


def _of_checkers(scene: Scene) -> Redundancy:
    """Return whose result is delivered in a rig with a doer, and how it is checked."""
    vote, total = scene.vote, len(scene.nodes)
    able = [node for node in scene.nodes if node.state == NodeState.VOTING]
    checkers = sum(node.index > 0 for node in able)
    by = None if vote is None else vote.primary
    names = [node.name for node in scene.nodes if node.index == by]
    watched = plural(checkers, "checker") if checkers else "no checker: unchecked"
    if not names:
        text, level = "no result is delivered", Level.BAD
    elif by == 0:
        text = f"{names[0]} does, {watched}"
        level = Level.GOOD if len(able) == total else Level.WARN
    else:
        text, level = f"DEGRADED, the checkers' result is delivered, {watched}", Level.WARN
    margin = 1 if by == 0 and checkers > 1 else 0
    return Redundancy("DOER", len(able), total, margin, level, text, "")


def _of_pairs(scene: Scene) -> Redundancy:
    """Return the mode of a rig of self-checking pairs: `voting` of them speak."""
    pairs = pairs_of(scene)
    able = [pair for pair in pairs if pair.decides or pair.speaks]
    margin = max(0, len(able) - 1)
    level = Level.GOOD if len(able) == len(pairs) else Level.WARN if able else Level.BAD
    decide = [pair.names for pair in pairs if pair.decides]
    verb = "commands" if scene.run.rule.by_priority else "decide"
    who = f"{' '.join(decide)} {verb}" if decide else "no pair decides"
    more = f"{plural(margin, 'more pair')} may fall silent" if margin else "no pair in reserve"
    return Redundancy(f"{len(pairs)} PAIRS", len(able), len(pairs), margin, level, f"{who}, {more}")


def stale_s(scene: Scene) -> float:
    """Return the age from which a value is stale [s of real time]; no less than a frame takes."""
    run = scene.run
    factor = {"realtime": 1.0}.get(run.pace) or _factor(run.pace)
    paced = run.frame_us / 1e6 / factor if factor else 0.0
    measured = 1 / scene.rate if scene.rate else 0.0
    frame_s = max(paced, measured)
    return STALE_S if frame_s < 1 else STALE_S + 1.5 * frame_s


def _factor(pace: str) -> float:
    try:
        return float(pace.removesuffix("x")) if pace.endswith("x") else 0.0
    except ValueError:
        return 0.0


def is_stale(scene: Scene) -> bool:
    """Return whether the newest values are older than they should be."""
    if not scene.newest:
        return False
    if scene.writer_ended or scene.state is State.LOST:
        return True
    return scene.state is State.RUNNING and scene.age_s is not None and scene.age_s > stale_s(scene)


def node_level(node: NodeFacts, scene: Scene) -> Level:
    """Return the level of the state of a node. Its answer is compared with the fault-free run, and
    with the vote only if the record lacks that."""
    vote = scene.vote
    if node.on_stand_by:
        return Level.NOTE
    if node.state == NodeState.ISOLATED or (_escapes(scene) and node.answer is Answered.WRONG):
        return Level.BAD
    differs = vote is not None and bool((vote.dissent | vote.latent) >> node.index & 1)
    if node.answer is not None:
        differs = node.answer in {Answered.WRONG, Answered.WRONG_STATE}
    if node.state != NodeState.VOTING or differs or node.status != NodeStatus.DONE.word:
        return Level.WARN
    return Level.GOOD


def _escapes(scene: Scene) -> bool:
    """Return whether a wrong output is delivered in this frame."""
    vote = scene.vote
    return vote is not None and (vote.held_wrong or (vote.delivered and not vote.correct))


def heard_age_us(node: NodeFacts, scene: Scene) -> int | None:
    """Return the simulated time [us] since the node last answered."""
    if node.heard_frame is None:
        return None
    return max(0, scene.t_us - scene.run.time.t_us(node.heard_frame))


def reading_age_s(node: NodeFacts, scene: Scene) -> float | None:
    """Return the real time [s] since the node last reported, as of the frame on view."""
    if node.reading is None:
        return None
    readings = [other.reading for other in scene.nodes if other.reading]
    newest = max(readings, key=lambda reading: reading.frame)
    behind = (newest.wall_us - node.reading.wall_us) / 1e6
    if behind < 0:  # real time began again when the run was resumed
        time = scene.run.time
        behind = (time.t_us(newest.frame) - time.t_us(node.reading.frame)) / 1e6
    if scene.state is State.RUNNING and scene.newest and scene.age_s is not None:
        behind += scene.age_s if scene.age_s > stale_s(scene) else 0.0
    return behind


def health(scene: Scene, alarms: Sequence[Alarm] = ()) -> NodeHealth:
    """Return the health of the whole system: of several states, the worst."""
    if scene.state is State.WAITING:
        return NodeHealth("WAITING", Level.NOTE, scene.reason)
    if scene.state is State.LOST:
        return NodeHealth("LOST", Level.BAD, scene.reason)
    if scene.writer_ended and scene.newest:
        return NodeHealth(
            "STOPPED",
            Level.BAD,
            "its process ended without a result; continue with hil run --resume",
            scene.t_us,
        )
    if scene.at_end:
        return _ended(scene)
    if scene.head < 0 or not scene.nodes:
        return NodeHealth("STARTING", Level.NOTE, "no frame has been recorded yet")
    now = _bad(scene, alarms) or _held(scene) or _late(scene)
    return now or _failing(alarms, scene) or _unseen(alarms, scene) or _weak(scene, alarms)


_LEVEL_OF_OUTCOME: Final[Mapping[str, Level]] = {
    RunOutcome.PASS: Level.GOOD,
    RunOutcome.ABORTED: Level.WARN,
    RunOutcome.UNTESTED: Level.WARN,
}


def _ended(scene: Scene) -> NodeHealth:
    met = sum(ok for *_, ok in scene.expectations)
    what = f"{met} of {len(scene.expectations)} expectations met" if scene.expectations else ""
    failed = [
        f"{metric} {wanted}, measured {measured}"
        for metric, wanted, measured, ok in scene.expectations
        if not ok
    ][:1]
    level = _LEVEL_OF_OUTCOME.get(scene.outcome, Level.BAD)
    if scene.ending:  # then the expectations did not decide
        failed = [scene.ending, *failed] if scene.outcome == RunOutcome.ERROR else [scene.ending]
        what = ""
    parts = [scene.outcome.upper(), *failed[:2], *([what] if what else [])]
    return NodeHealth("ENDED", level, ": ".join(parts), None)


def _bad(scene: Scene, alarms: Sequence[Alarm]) -> NodeHealth | None:
    vote = scene.vote
    if vote is None or (vote.delivered and vote.correct):
        return None
    if vote.delivered:
        why, quantity = "a wrong output leaves the system", "wrong output"
        faulty = [node for node in scene.nodes if node.answer is Answered.WRONG]
        if faulty:
            agree = "agree on it" if len(faulty) > 1 else "is wrong"
            why += f": {names_text(node.name for node in faulty)} {agree}"
    else:
        what = {"no_quorum": "no node is heard", "simplex": "one node answers alone"}.get(
            vote.kind, "no majority"
        )
        why, quantity = f"no output: {what}", "no output"
        if vote.held:
            why = f"the last voted output is held: {what}"
        if vote.held_wrong:
            why, quantity = f"a wrong output is held: {what}", "wrong output"
        faulty = [node for node in scene.nodes if node_level(node, scene) > Level.GOOD]
    behind = list(dict.fromkeys(node.upset for node in faulty if node.upset))
    if behind:
        why += "; " + ", ".join([behind[0], *(text.removeprefix("upset ") for text in behind[1:])])
    began = [
        alarm.began_frame
        for alarm in alarms
        if alarm.quantity == quantity and alarm.level is Level.BAD
    ]
    since = min([scene.head, *began])
    return NodeHealth("FAILING", Level.BAD, why, scene.run.time.t_us(since))


def _failing(alarms: Sequence[Alarm], scene: Scene) -> NodeHealth | None:
    """Return the state of a correct frame after recent wrong or lost outputs; None without any."""
    recent = [
        alarm
        for alarm in alarms
        if alarm.level is Level.BAD and alarm.quantity in ("wrong output", "no output")
    ]
    if not recent:
        return None
    first = min(recent, key=lambda alarm: alarm.began_frame)
    return NodeHealth("FAILING", Level.BAD, first.now_text, scene.run.time.t_us(first.began_frame))


def _held(scene: Scene) -> NodeHealth | None:
    if not scene.paused_by or is_stale(scene):
        return None
    return NodeHealth(
        "PAUSED", Level.WARN, f"{scene.paused_by} paused the run; `resume` continues it", scene.t_us
    )


def _late(scene: Scene) -> NodeHealth | None:
    if not is_stale(scene):
        return None
    return NodeHealth(
        "STALE", Level.WARN, f"nothing was recorded for {duration((scene.age_s or 0) * 1e6)}"
    )


def _unseen(alarms: Sequence[Alarm], scene: Scene) -> NodeHealth | None:
    """Return the state of a past red alarm that is not acknowledged; None without one."""
    red = [
        alarm
        for alarm in alarms
        if alarm.latched is Level.BAD and not alarm.acknowledged and alarm.level is not Level.BAD
    ]
    active = any(alarm.level is Level.BAD for alarm in alarms)
    if not red or active or any(node.state != NodeState.VOTING for node in scene.nodes):
        return None
    first = min(red, key=lambda alarm: alarm.began_frame)
    more = f", and {len(red) - 1} more" if len(red) > 1 else ""
    return NodeHealth(
        "ALARM",
        Level.BAD,
        f"over now, not acknowledged: {first.text}{more}",
        scene.run.time.t_us(first.began_frame),
    )


def _weak(scene: Scene, alarms: Sequence[Alarm]) -> NodeHealth:
    serving = [node for node in scene.nodes if not node.on_stand_by]
    out = [node for node in serving if node_level(node, scene) > Level.GOOD]
    active = [alarm for alarm in alarms if alarm.level > Level.NOTE]
    if out:
        worst = max(out, key=lambda n: (node_level(n, scene), -_out_since(n, scene)))
        why = _why(worst, [node for node in out if node is not worst])
        return NodeHealth(
            "DEGRADED",
            max(node_level(n, scene) for n in out),
            why,
            scene.run.time.t_us(_out_since(worst, scene)),
        )
    if active:
        worst_alarm = max(active, key=lambda a: (a.level, -a.began_frame))
        word = "ALARM" if worst_alarm.level is Level.BAD else "CAUTION"
        return NodeHealth(
            word,
            worst_alarm.level,
            worst_alarm.now_text,
            scene.run.time.t_us(worst_alarm.began_frame),
        )
    count = len(serving)
    nodes = "both nodes" if count == 2 else f"all {count} nodes"
    why = "the only node answers" if count == 1 else f"{nodes} vote and agree"
    off = names_text(node.name for node in scene.nodes if node.on_stand_by)
    return NodeHealth("HEALTHY", Level.GOOD, f"{why}; on stand-by: {off}" if off else why)


def _out_since(node: NodeFacts, scene: Scene) -> int:
    return scene.head if node.began_frame is None else node.began_frame


def _why(node: NodeFacts, others: Sequence[NodeFacts]) -> str:
    """Return the reason; the nodes come first, because a long text is cut at its end."""
    state = node.state.replace("_", " ")
    if state == NodeState.VOTING:
        state = "latent" if node.answer is Answered.WRONG_STATE else "dissents"
        state = state if node.status == NodeStatus.DONE.word else node.status
    names = " ".join(other.name for other in others)
    if len(names) > _NAMES_MAX:
        names = f"{len(others)} more"
    also = f", also {names}" if others else ""
    why = [part for part in (node.began_cause, node.upset) if part]
    return f"{node.name} {state}{also}" + (f": {', '.join(why)}" if why else "")


def since_text(since_us: int | None, now_us: int) -> str:
    """Return `since 5.010 s, 2 min ago`; empty if the beginning is not known."""
    if since_us is None:
        return ""
    ago = now_us - since_us
    return f"since {flight_time(since_us)}" + (f", {duration(ago)} ago" if ago > 0 else "")

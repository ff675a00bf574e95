"""The picture of a scheme: its own parts (pairs, spares, executions, steps), what each does now,
and what follows. Pure.

Which picture a run has is a property of its rule (`SchemeRule.picture`). A new scheme adds a word
to `Picture`, and a function to `_PICTURES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import NodeStatus
from hil.views.alarm_limits import Level
from hil.views.correctness import names_text
from hil.views.field_values import FieldValues
from hil.views.screen.model.executions import RepeatedStep
from hil.views.screen.model.facts import NodeFacts, Scene
from hil.views.screen.model.pairs import PairFacts, pairs_of
from hil.views.screen.rules import Picture
from hil.views.style import plural
from hil.views.voter_views import ReceivedReply

__all__ = ["SchemePart", "SchemePicture", "scheme_picture"]

_DOER: Final = 0
_MODES: Final = {3: "TMR", 2: "DMR", 1: "SIMPLEX"}


@dataclass(frozen=True, slots=True)
class SchemePart:
    """One part of a scheme: its name (nodes, a pair, an execution, a step), what it does in a word,
    and whether the present output comes from it."""

    name: str
    word: str
    level: Level = Level.GOOD
    decides: bool = False


@dataclass(frozen=True, slots=True)
class SchemePicture:
    """The parts of a scheme in their order; `steps`: they follow each other, and one of them is the
    present one. `notes`: what the parts do not show, the most important first. `calm`: all is as
    the scheme wants it, so that a small screen may leave the picture out."""

    title: str
    parts: tuple[SchemePart, ...] = ()
    notes: tuple[str, ...] = ()
    steps: bool = False
    calm: bool = False


def scheme_picture(scene: Scene) -> SchemePicture | None:
    """Return the picture of the scheme of the run; None for one of a single node that is executed
    once, and before the first frame."""
    draw = _PICTURES.get(scene.run.rule.picture)
    if draw is None or not scene.nodes or scene.head < 0:
        return None
    picture = draw(scene)
    more = (*_clusters(scene), *_split_voters(scene))
    if not more:
        return picture
    notes = (*more, *picture.notes)
    return SchemePicture(picture.title, picture.parts, notes, picture.steps, calm=False)


def _voting(scene: Scene) -> list[NodeFacts]:
    return [node for node in scene.nodes if node.state == NodeState.VOTING]


def _out(scene: Scene) -> list[SchemePart]:
    """Return the nodes that are not in the vote and not off by plan, each by itself."""
    return [
        SchemePart(
            node.name,
            node.state.replace("_", " "),
            Level.BAD if node.state == NodeState.ISOLATED else Level.WARN,
        )
        for node in scene.nodes
        if node.state != NodeState.VOTING and not node.on_stand_by
    ]


def _resting(scene: Scene, word: str) -> list[SchemePart]:
    names = [node.name for node in scene.nodes if node.on_stand_by]
    return [SchemePart(" ".join(names), word, Level.NOTE)] if names else []


# --- pairs ----------------------------------------------------------------------------------------


def _pairs(scene: Scene) -> SchemePicture:
    pairs = pairs_of(scene)
    parts = tuple(_pair_part(pair, scene) for pair in pairs)
    able = sum(pair.decides or pair.speaks for pair in pairs)
    if not able:
        note = "no pair speaks: nothing is decided"
    elif able == 1:
        note = "no other pair can take over"
    else:
        note = f"{plural(able - 1, 'more pair')} may fall silent"
    title = "PAIRS, the first that speaks commands" if scene.run.rule.by_priority else "PAIRS"
    return SchemePicture(title, parts, (note,))


def _pair_part(pair: PairFacts, scene: Scene) -> SchemePart:
    if pair.decides or pair.speaks:
        return SchemePart(pair.names, pair.word, decides=pair.decides)
    nodes = [node for node in scene.nodes if node.index // 2 == pair.number - 1]
    out = [node for node in nodes if node.state != NodeState.VOTING]
    missing = [node for node in nodes if node.status != NodeStatus.DONE.word and node not in out]
    why = names_text(node.name for node in out) + " out" if out else ""
    if not out and missing:
        why = f"{names_text(node.name for node in missing)} {missing[0].status}"
    word = f"silent: {why or 'they differ'}"
    return SchemePart(pair.names, word, Level.BAD if len(out) == len(nodes) else Level.WARN)


# --- spares, rotation -----------------------------------------------------------------------------


def _spares(scene: Scene) -> SchemePicture:
    members = scene.run.rule.size - scene.run.rule.spares
    able = _voting(scene)
    deciding, hot = able[:members], able[members:]
    level = Level.GOOD if len(deciding) == members else Level.WARN
    names = " ".join(node.name for node in deciding) or "nobody"
    word = "decides" if len(deciding) == 1 else "decide"
    parts = [SchemePart(names, word, level if deciding else Level.BAD, decides=True)]
    if hot:
        parts.append(SchemePart(" ".join(n.name for n in hot), "hot: compute along", Level.NOTE))
    parts += _resting(scene, "cold: off")
    parts += _out(scene)
    stand_ins = [node.name for node in deciding if node.index >= members]
    gone = [node.name for node in scene.nodes[:members] if node not in deciding]
    left = len(hot) + sum(node.on_stand_by for node in scene.nodes)
    notes = [f"{plural(left, 'spare')} left" if left else "no spare left"]
    if stand_ins:
        verb = "stands" if len(stand_ins) == 1 else "stand"
        notes.insert(0, f"{names_text(stand_ins)} {verb} in for {names_text(gone)}")
    return SchemePicture("SPARES", tuple(parts), tuple(notes))


def _rotation(scene: Scene) -> SchemePicture:
    able = _voting(scene)
    wanted = scene.run.rule.size - scene.run.rule.resting
    level = Level.GOOD if len(able) >= wanted else Level.WARN if able else Level.BAD
    names = " ".join(node.name for node in able) or "nobody"
    parts = [SchemePart(names, "decides" if len(able) == 1 else "decide", level, decides=True)]
    parts += _resting(scene, "rests, off")
    parts += _out(scene)
    woken = scene.scheme.woken
    notes = [f"{woken[0]} was woken in frame {woken[1]:,}: {woken[2]}"] if woken else []
    return SchemePicture("ROTATION", tuple(parts), tuple(notes))


# --- a primary with monitors ----------------------------------------------------------------------


def _primary(scene: Scene) -> SchemePicture:
    """Return who commands, what each monitor says of it, and what it takes to vote it out."""
    vote = scene.vote
    parts: list[SchemePart] = []
    primary = None if vote is None else vote.primary
    for node in _voting(scene):
        if node.index == primary:
            parts.insert(0, SchemePart(node.name, "commands", decides=True))
        elif node.status != NodeStatus.DONE.word:
            parts.append(SchemePart(node.name, node.status, Level.WARN))
        elif vote is not None and vote.dissent >> node.index & 1:
            parts.append(SchemePart(node.name, "contradicts", Level.WARN))
        else:
            parts.append(SchemePart(node.name, "monitors"))
    if primary is None:
        parts.insert(0, SchemePart("nobody", "commands", Level.BAD, decides=True))
    votes, frames = scene.run.rule.monitors
    lasting = plural(frames, "consecutive frame") if frames > 1 else "one frame"
    note = f"voted out by {plural(votes, 'monitor')}, or all that answer, in {lasting}"
    return SchemePicture("PRIMARY WITH MONITORS", (*parts, *_out(scene)), (note,))


# --- a doer with checkers -------------------------------------------------------------------------


def _checkers(scene: Scene) -> SchemePicture:
    """Return whether the doer's result was delivered, and what each checker says of it."""
    vote, checkers = scene.vote, scene.run.rule.checkers
    by = None if vote is None else vote.primary
    agree = 0 if vote is None else vote.agree
    parts: list[SchemePart] = []
    for node in _voting(scene):
        done = node.status == NodeStatus.DONE.word
        decides = node.index == by
        agrees = bool(agree >> node.index & 1)
        if not done:
            parts.append(SchemePart(node.name, node.status, Level.WARN))
        elif node.index == _DOER:
            word = "does, accepted" if decides else "does, REFUSED"
            level = Level.GOOD if decides else Level.BAD
            parts.append(SchemePart(node.name, word, level, decides=decides))
        elif not agree:
            parts.append(SchemePart(node.name, "undecided", Level.WARN))
        elif by == _DOER:
            word, level = ("accepts", Level.GOOD) if agrees else ("refuses", Level.WARN)
            parts.append(SchemePart(node.name, word, level))
        else:
            word = "delivers" if decides else "agrees" if agrees else "differs"
            level = Level.GOOD if agrees else Level.WARN
            parts.append(SchemePart(node.name, word, level, decides=decides))
    notes: list[str] = []
    if by not in (None, _DOER):
        notes.append("DEGRADED: the output is that of the checkers")
    if checkers is not None:
        bounds = ", ".join(f"{name} {bound:g}" for name, bound in checkers.bounds.items())
        refuse = "refuse" if checkers.votes > 1 else "refuses"
        votes = plural(checkers.votes, "checker")
        notes.append(f"refused if {votes}, or all that answer, {refuse}; bounds: {bounds}")
    return SchemePicture("DOER WITH CHECKERS", (*parts, *_out(scene)), tuple(notes))


# --- executions -----------------------------------------------------------------------------------


def _executions(scene: Scene) -> SchemePicture:
    planned = scene.run.rule.executions
    title = "EXECUTIONS OF EACH STEP"
    vote, facts = scene.vote, scene.scheme
    if facts.frame < 0 or not facts.repeats:
        parts = tuple(SchemePart(_nth(n + 1), "agrees", decides=True) for n in range(planned))
        return SchemePicture(title, parts, ("all have agreed in every frame",))
    here = facts.frame == scene.head
    parts = tuple(
        SchemePart(
            _nth(step.number),
            "agrees"
            if step.agrees
            else "differs"
            if step.status == NodeStatus.DONE.word
            else step.status,
            Level.GOOD if step.agrees else Level.WARN,
            decides=step.agrees,
        )
        for step in facts.repeats
    )
    delivered = any(step.agrees for step in facts.repeats)
    what = "the majority of them was delivered" if delivered else "no majority: nothing new"
    if here:
        return SchemePicture(title, parts, (f"in this frame; {what}",))
    now = "" if vote is None or vote.delivered else "; now: NO OUTPUT"
    return SchemePicture(
        title, parts, (f"in frame {facts.frame:,}, the last one noted; {what}{now}",)
    )


def _step_word(step: RepeatedStep) -> str:
    if step.agrees:
        return "agrees"
    return "differs" if step.status == NodeStatus.DONE.word else step.status


def _nth(number: int) -> str:
    return f"execution {number}" if number == 1 else f"{number}"


# --- plans ----------------------------------------------------------------------------------------


def _plans(scene: Scene) -> SchemePicture:
    """Return the steps of two nodes that compare plans: agreed, the last plan, safe."""
    vote, limit = scene.vote, scene.run.rule.limit
    now = 2
    if vote is not None and vote.held:
        now = 1
    elif vote is not None and vote.delivered:
        now = 0
    last = f"THE LAST PLAN, {plural(limit, 'frame')} at most" if limit else "THE LAST PLAN"
    levels = (Level.GOOD, Level.WARN, Level.BAD)
    parts = tuple(
        SchemePart(name, "now" * (at == now), levels[at], decides=at == now)
        for at, name in enumerate(("PLANS AGREE", last, "SAFE: no command"))
    )
    return SchemePicture("PLANS COMPARED", parts, steps=True)


# --- steps ----------------------------------------------------------------------------------------


def _mode(count: int) -> str:
    return _MODES.get(count, f"{count}MR") if count else "NONE"


def _steps(scene: Scene) -> SchemePicture:
    """Return how the scheme degrades: each step with one voter less, down to one that is alone."""
    able, size = len(_voting(scene)), len(scene.nodes)
    parts = [
        SchemePart(
            _mode(count),
            "" if count != able else "now",
            Level.GOOD if count == size else Level.WARN,
            decides=count == able,
        )
        for count in range(size, 0, -1)
    ]
    if not able:
        parts.append(SchemePart("NONE", "now", Level.BAD, decides=True))
    notes = []
    alone = scene.run.rule.alone
    if alone and able <= 2:
        notes.append(alone)
    return SchemePicture("DEGRADATION", tuple(parts), tuple(notes), steps=True, calm=able == size)


# --- along the orbit ------------------------------------------------------------------------------


def _orbit(scene: Scene) -> SchemePicture:
    """Return the schemes of one that follows the orbit, which of them is in force, and why."""
    serving = [node for node in scene.nodes if not node.on_stand_by]
    reasons: dict[str, list[str]] = {}
    for scheme, reason in scene.run.rule.follows:
        reasons.setdefault(scheme, []).append(reason)
    sizes = {scheme: scene.run.rule.sizes.get(scheme, 0) for scheme in reasons}
    ordered = sorted(reasons, key=lambda scheme: sizes[scheme])
    able = [scheme for scheme in ordered if sizes[scheme] >= len(serving)]
    now = (able or ordered[-1:] or [""])[0]
    parts = [
        SchemePart(
            scheme.upper(),
            _when(reasons[scheme], now=scheme == now),
            Level.GOOD if scheme == now else Level.NOTE,
            decides=scheme == now,
        )
        for scheme in ordered
    ]
    notes = []
    woken = scene.scheme.woken
    if now != ordered[0]:
        why = "since the beginning"
        if woken is not None:
            why = f"{woken[0]} was woken in frame {woken[1]:,}: {woken[2]}"
        notes.append(why)
    off = [node.name for node in scene.nodes if node.on_stand_by]
    if off:
        notes.append(f"{names_text(off)} {'is' if len(off) == 1 else 'are'} off")
    notes += [f"{part.name} {part.word}" for part in _out(scene)]
    return SchemePicture("ALONG THE ORBIT", tuple(parts), tuple(notes))


def _when(reasons: Sequence[str], *, now: bool) -> str:
    """Return when a scheme is in force: `now`, `in anomaly or in storm`, `else`."""
    times = " or ".join(reason for reason in reasons if reason != "else")
    return ", ".join(part for part in ("now" * now, times) if part) or "else"


# --- votes by value, replicas of the voter --------------------------------------------------------


def _clusters(scene: Scene) -> list[str]:
    """Return the clusters of the newest vote by values in which there were several, field by
    field."""
    facts = scene.scheme
    if not scene.run.rule.by_value:
        return []
    split = [field for field in facts.fields if len(field.groups) > 1]
    where = "" if facts.frame == scene.head else f"frame {facts.frame:,}: "
    return [f"{where}clusters of {field.name} {_groups(field)}" for field in split]


def _groups(field: FieldValues) -> str:
    texts = []
    for group in field.groups:
        text = "{" + " ".join(group.nodes) + "}"
        if not group.wins:
            apart = field.distance_text(group.members[0])
            text += f" {apart}" if apart else ""
        texts.append(text)
    return " | ".join(texts)


def _split_voters(scene: Scene) -> list[str]:
    """Return the replicas of the voter that were split last."""
    facts = scene.scheme
    others = [view for view in facts.voters if view.splits]
    if not others:
        return []
    where = "" if facts.voters_frame == scene.head else f"frame {facts.voters_frame:,}: "
    return [f"{where}the voter of {view.node} had {_unusual(view.received)}" for view in others]


def _unusual(received: Sequence[ReceivedReply]) -> str:
    other = [reply for reply in received if not reply.as_sent]
    if not other:
        return "what was sent, others had not"
    texts = []
    for reply in other:
        what = "another value" if reply.status == NodeStatus.DONE.word else "nothing"
        texts.append(f"{what} from {reply.sender}")
    return names_text(texts)


_PICTURES: Final[Mapping[Picture, Callable[[Scene], SchemePicture]]] = {
    Picture.PAIRS: _pairs,
    Picture.SPARES: _spares,
    Picture.ROTATION: _rotation,
    Picture.PRIMARY: _primary,
    Picture.CHECKERS: _checkers,
    Picture.PLANS: _plans,
    Picture.EXECUTIONS: _executions,
    Picture.STEPS: _steps,
    Picture.ORBIT: _orbit,
}

"""The decision page: the vote of one frame, down to the bits. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.text import Text

from hil.record.live import ALONE_MAX
from hil.redundancy.voting import NodeStatus, VerdictKind
from hil.views.alarm_limits import Level
from hil.views.correctness import Answered, names_text
from hil.views.screen.model.decision import Decision, NodeAnswer, OutputDifference, VotePart
from hil.views.screen.model.facts import Vote
from hil.views.screen.pages.decision_values import values, voters
from hil.views.screen.pages.style import STYLES, Marks, columns, fit, line, rule
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, flight_time, plural

__all__ = ["decision_page"]


def decision_page(decision: Decision, width: int, marks: Marks) -> list[Text]:
    """Return the whole page; it may be longer than the screen."""
    out = [_headline(decision, marks)]
    if decision.vote is None:
        return [*out, line("   ", ("this frame is not in the record", DIM))]
    out += _agreed(decision, width, marks)
    out += _decided(decision, width)
    out += _answers(decision, width, marks)
    out += voters(decision, width, marks)
    out += values(decision, width, marks)
    out += _differences(decision, width, marks)
    out += _story(decision, width, marks)
    return out


def verdict_words(decision: Decision) -> tuple[Level, str]:
    """Return the level of the verdict, and the verdict in words."""
    vote = decision.vote
    if vote is None:
        return Level.NOTE, "not recorded"
    word = vote.kind.replace("_", " ")
    if vote.held_wrong:
        return Level.BAD, f"{word}: A WRONG OUTPUT WAS HELD"
    if vote.held:
        return Level.BAD, f"{word}: THE LAST VOTED OUTPUT WAS HELD"
    if not vote.delivered:
        return Level.BAD, f"{word}: NO OUTPUT"
    if not vote.correct:
        return Level.BAD, f"{word}: A WRONG OUTPUT LEFT THE SYSTEM"
    again = f", computed {decision.executions} times" if decision.executions > 1 else ""
    differing = any(not a.agrees or a.latent for a in decision.answers if a.part != VotePart.OUT)
    if decision.notable and decision.state and decision.state != decision.golden_state:
        return Level.WARN, f"{word}{again}: right output, WRONG STATE"
    if decision.alone:
        return Level.WARN, f"{word}{again}: right output, NOT VOTED ON"
    return (Level.WARN if differing or again else Level.GOOD), f"{word}{again}: right output"


def _headline(decision: Decision, marks: Marks) -> Text:
    level, words = verdict_words(decision)
    style = STYLES[level] or (GOOD if decision.vote else DIM)
    return line(
        " ",
        (f"FRAME {decision.frame:,}", HEAD),
        f"  {flight_time(decision.t_us)}   ",
        (f"{marks.levels[level]} {words}", style),
    )


def _agreed(decision: Decision, width: int, marks: Marks) -> list[Text]:
    none = marks.dash * 4
    delivered_right = decision.vote is not None and decision.vote.correct
    differs = decision.output != decision.golden_output and not delivered_right
    wrong = decision.notable and decision.output and differs
    astray = decision.notable and decision.state and decision.state != decision.golden_state
    label = "alone " if decision.alone else "agreed"
    out = [
        line(
            f"   {label}   output ",
            (decision.output or none, BAD if wrong else HEAD),
            "   state ",
            (decision.state or none, BAD if astray else HEAD),
        )
    ]
    if decision.notable:
        out.append(
            line(
                "   golden   output ",
                (decision.golden_output, GOOD if wrong else ""),
                "   state ",
                (decision.golden_state, GOOD if astray else ""),
                ("   known to the bench only" if width >= 100 else "", DIM),
            )
        )
    if decision.value:
        shown = decision.value[: max(8, (width - 12) // 3 // 4 * 4)]
        more = f" {marks.more}" if len(shown) < len(decision.value) else ""
        held = decision.vote is not None and decision.vote.held
        out.append(line(f"   {'held' if held else 'value':<9}", _hex(shown), (more, DIM)))
    return out


def _decided(decision: Decision, width: int) -> list[Text]:
    """Return which voters decided, and by which rule."""
    vote = decision.vote
    voted = vote is not None and vote.delivered and not decision.alone
    out = _labelled("decision", _decided_by(decision), width, "" if voted else WARN)
    if decision.rule.text:
        scheme = f"{decision.rule.scheme}: " if decision.rule.scheme else ""
        out += _labelled("rule", scheme + decision.rule.text, width, DIM if voted else "")
    return out


def _decided_by(decision: Decision) -> str:
    vote = decision.vote
    answered = [
        a
        for a in decision.answers
        if a.status == NodeStatus.DONE.word and a.part in {VotePart.VOTER, VotePart.RETURNS}
    ]
    if vote is None:
        return ""
    if vote.kind == VerdictKind.NO_QUORUM.word or not answered:
        return f"undecided: no node answered; {_delivery_text(vote)}"
    names = names_text(a.node for a in answered)
    if decision.alone:
        more = " or more" if decision.alone >= ALONE_MAX else ""
        times = f", for {decision.alone:,}{more} consecutive frames" if decision.alone > 1 else ""
        return f"undecided: only {names} answered{times}; {_delivery_text(vote)}"
    if decision.rule.pairs:
        return _decided_by_pairs(decision)
    if decision.rule.has_roles:
        by_primary = decision.rule.has_primary
        return (_decided_by_primary if by_primary else _decided_by_checkers)(decision, answered)
    if len(decision.answers) == 1:
        timed = decision.rule.executions > 1
        return _decided_in_time(decision, names) if timed else f"{names}, the only node"
    if vote.kind == VerdictKind.NO_MAJORITY.word:
        return f"undecided: {names} do not agree; {_delivery_text(vote)}"
    agreed = [a for a in answered if a.agrees]
    back = [a.node for a in agreed if a.part == VotePart.RETURNS]
    split = [view.node for view in decision.voters if view.splits]
    text = _agreeing(decision, [a.node for a in agreed if a.node not in split])
    if split:
        text += f"; the {'voters' if len(split) > 1 else 'voter'} of {names_text(split)} "
        text += "decided otherwise"
    astray = [a.node for a in agreed if a.latent]
    if astray:
        text += f" in output; the state of {names_text(astray)} differs"
    if back and any(a.part == VotePart.VOTER for a in decision.answers):
        text += f"; {names_text(back)} counted, as the voters alone did not decide"
    elif back:
        text += "; all were returning, as no node voted"
    return text


def _agreeing(decision: Decision, names: Sequence[str]) -> str:
    """Return the nodes that agree; field by field where values are voted on and nodes differ."""
    verb = "agrees" if len(names) == 1 else "agree"
    text = f"{names_text(names)} {verb}"
    by_field = any(
        field.rule and not all(g.wins for g in field.groups) for field in decision.fields
    )
    if not by_field:
        return text
    return f"each field by itself; {text} in all of them"


def _decided_in_time(decision: Decision, name: str) -> str:
    """Return which executions of the step by the only node agree."""
    if not decision.repeats:
        return f"all {decision.rule.executions} executions of the step by {name} agree"
    agree = [f"{step.number}" for step in decision.repeats if step.agrees]
    if agree:
        return f"executions {names_text(agree)} of the step by {name} agree"
    assert decision.vote is not None, "a frame with executions was decided"
    return f"undecided: the executions of {name} do not agree; {_delivery_text(decision.vote)}"


def _decided_by_primary(decision: Decision, answered: Sequence[NodeAnswer]) -> str:
    """Return who commands, and which monitors contradict it."""
    vote = decision.vote
    assert vote is not None, "a frame with a primary was decided"
    if vote.primary is None:
        names = names_text(answer.node for answer in answered)
        return f"undecided: nobody commands, {names} do not agree; {_delivery_text(vote)}"
    primary = decision.answers[vote.primary]
    others = [answer for answer in answered if answer is not primary]
    if not vote.delivered:
        names = names_text(answer.node for answer in others)
        return f"undecided: {names} contradict {primary.node}; {_delivery_text(vote)}"
    against = [answer.node for answer in others if not answer.agrees]
    contradict = "contradicts" if len(against) == 1 else "contradict"
    text = f"{primary.node} commands"
    text += f"; {names_text(against)} {contradict} it" if against else ""
    return text + (", not yet for long enough" if vote.kind == VerdictKind.NO_MAJORITY.word else "")


def _decided_by_checkers(decision: Decision, answered: Sequence[NodeAnswer]) -> str:
    """Return whether the doer's result was accepted, and by which checkers."""
    vote, doer = decision.vote, decision.answers[0]
    assert vote is not None, "a frame with checkers was decided"
    checkers = [answer for answer in answered if answer is not doer]
    agreed = [answer.node for answer in checkers if answer.agrees]
    others = [answer.node for answer in checkers if not answer.agrees]
    if not agreed:
        names = names_text(answer.node for answer in answered)
        return f"undecided: {names} do not agree; {_delivery_text(vote)}"
    if vote.primary == 0:
        accept = "accepts" if len(agreed) == 1 else "accept"
        text = f"{names_text(agreed)} {accept} the result of {doer.node}"
        return f"{text}; {names_text(others)} differ" if others else text
    why = f"the result of {doer.node} is refused" if doer in answered else f"without {doer.node}"
    if vote.primary is None:
        return f"{why}; {names_text(agreed)} agree; {_delivery_text(vote)}"
    return f"{why}; {names_text(agreed)} agree, and their own result is delivered (degraded)"


def _decided_by_pairs(decision: Decision) -> str:
    """Return which self-checking pairs decide, and which are silent."""
    answers = decision.answers
    pairs = [answers[at : at + 2] for at in range(0, len(answers), 2)]
    deciding: list[str] = []
    agreeing: list[str] = []
    silent: list[str] = []
    for pair in pairs:
        name = "+".join(answer.node for answer in pair)
        if all(answer.part in {VotePart.VOTER, VotePart.RETURNS} for answer in pair):
            deciding.append(name)
        else:
            heard = all(answer.agrees and not answer.latent for answer in pair)
            (agreeing if heard else silent).append(name)
    assert decision.vote is not None, "a frame with pairs was decided"
    verbs = (("decides", "decide"), ("agrees", "agree"), ("is silent", "are silent"))
    said = [
        f"{names_text(names)} {one if len(names) == 1 else several}"
        for names, (one, several) in zip((deciding, agreeing, silent), verbs, strict=True)
        if names
    ]
    undecided = "" if deciding else f"undecided: {_delivery_text(decision.vote)}; "
    return undecided + "; ".join(said)


def _repeated(decision: Decision, marks: Marks) -> list[Text]:
    """Return a line for each execution of the step by a node that executes it several times."""
    return [
        line(
            "   ",
            columns(
                [
                    (f"execution {step.number}", 14, HEAD),
                    (step.status, 10, "" if step.agrees else WARN),
                    (step.output_digest or marks.dash, 17, ""),
                    (step.state_digest or marks.dash, 17, ""),
                ],
                marks,
            ),
            ("agrees" if step.agrees else "differs", "" if step.agrees else WARN),
        )
        for step in decision.repeats
    ]


def _delivery_text(vote: Vote) -> str:
    """Return the output of an undecided vote, in words."""
    if vote.held:
        return "the last voted output was delivered again" + ", a WRONG one" * vote.held_wrong
    if vote.delivered:
        return "its output was delivered unvoted"
    return (
        "its output was kept back"
        if vote.kind == VerdictKind.SIMPLEX.word
        else "nothing was delivered"
    )


def _labelled(label: str, text: str, width: int, style: str) -> list[Text]:
    """Return a text in as many lines as it needs, beside its label."""
    rows = wrap(text, max(20, width - 13))
    return [line(f"   {label if at == 0 else '':<9}", (row, style)) for at, row in enumerate(rows)]


def _hex(value: bytes) -> str:
    return value.hex(" ", 4)


def _answers(decision: Decision, width: int, marks: Marks) -> list[Text]:
    right = "" if decision.executions == 1 else "the first of its executions"
    out = [rule("ANSWERS", width, marks, right)]
    head = [("node", 7), ("counts", 7), ("answer", 10), ("output digest", 17), ("state digest", 17)]
    out.append(line("   ", columns([(t, w, DIM) for t, w in head], marks), ("says", DIM)))
    for answer in decision.answers:
        level = _level(answer, decision)
        style = STYLES[level]
        cells = [
            (answer.node, 7, HEAD),
            (answer.part, 7, DIM if answer.part != VotePart.VOTER else ""),
            (answer.status, 10, style),
            (
                answer.output_digest or marks.dash,
                17,
                style if answer.worth is Answered.WRONG else "",
            ),
            (answer.state_digest or marks.dash, 17, style if _is_astray(answer, decision) else ""),
        ]
        text = fit(_says(answer), width - 66, marks)
        out.append(
            line(" ", (marks.levels[level], style), " ", columns(cells, marks), (text, style))
        )
    return out + _repeated(decision, marks)


def _level(answer: NodeAnswer, decision: Decision) -> Level:
    if answer.part == VotePart.OUT:
        return Level.NOTE
    vote = decision.vote
    if answer.worth is Answered.WRONG and vote and vote.delivered and not vote.correct:
        return Level.BAD
    return Level.GOOD if answer.worth is Answered.RIGHT else Level.WARN


def _is_astray(answer: NodeAnswer, decision: Decision) -> bool:
    """Return whether the state of a node is not the fault-free one."""
    if answer.worth is Answered.RIGHT:
        return False  # states are not compared, or it is the right one
    golden = decision.golden_state if decision.notable else decision.state
    return bool(answer.state_digest) and answer.state_digest != golden


def _says(answer: NodeAnswer) -> str:
    if answer.status != NodeStatus.DONE.word:
        return answer.reason or answer.status
    return {"": "agrees", "dissents": "another output", "latent": "another state"}.get(
        answer.words, answer.words
    )


def _differences(decision: Decision, width: int, marks: Marks) -> list[Text]:
    if not decision.differences:
        worth = {a.worth for a in decision.answers}
        if not decision.notable or not worth & {Answered.WRONG, Answered.WRONG_STATE}:
            return []
        return [
            rule("DIFFERENCES", width, marks),
            line("   ", ("the record has digests, but no bytes, of what differed", DIM)),
        ]
    pieces = len(decision.differences) + decision.hidden
    right = f"{plural(decision.bits, 'bit')} in {plural(pieces, 'piece')}"
    if decision.hidden:
        right += f", of which the first {len(decision.differences)} are here"
    out = [rule("DIFFERENCES", width, marks, right)]
    head = [("node", 5), ("where", 13), (decision.reference or "agreed", 23), ("found", 23)]
    out.append(line("   ", columns([(t, w, DIM) for t, w in head], marks), ("byte.bit", DIM)))
    last = None
    for item in decision.differences:
        again = last is not None and last.node == item.node and last.where == item.where
        out.append(_difference(item, width, marks, again=again))
        last = item
    return out


def _difference(item: OutputDifference, width: int, marks: Marks, *, again: bool) -> Text:
    agreed, there = line(), line()
    for a, b in zip(item.agreed, item.actual, strict=False):
        style = "" if a == b else "bold underline"
        agreed.append(f"{a:02x}", style=style or None)
        agreed.append(" ")
        there.append(f"{b:02x}", style=f"{WARN} {style}" if style else None)
        there.append(" ")
    pad = " " * (3 * (8 - min(8, len(item.agreed))))
    where = f"{item.where} {item.offset:#06x}"
    return line(
        "   ",
        columns([("" if again else item.node, 5, HEAD), (where, 13, "")], marks),
        agreed,
        pad,
        there,
        pad,
        fit(_bits(item), max(0, width - 71), marks),
    )


def _bits(item: OutputDifference) -> str:
    """Return the bits that differ (`256.4`), or their number if there are more than three."""
    bits = [
        f"{item.offset + at}.{bit}"
        for at, (a, b) in enumerate(zip(item.agreed, item.actual, strict=False))
        for bit in range(8)
        if (a ^ b) >> bit & 1
    ]
    return f"{len(bits)} bits" if len(bits) > 3 else " ".join(bits)


def _story(decision: Decision, width: int, marks: Marks) -> list[Text]:
    out: list[Text] = []
    if decision.causes:
        out.append(rule("CAUSE", width, marks))
        for cause in decision.causes:
            out += _wrapped(cause, width, "")
    elif decision.notable and verdict_words(decision)[0] > Level.GOOD:
        none = "the record has none: no upset hit in this frame, and none was in force"
        out += [rule("CAUSE", width, marks), line("   ", (none, DIM))]
    if decision.cures or decision.outage:
        out.append(rule("RECOVERY", width, marks))
        for cure in decision.cures:
            glyph = marks.arrow if cure.ok else marks.bad
            text = f"{glyph} frame {cure.frame:,}  {cure.node} {cure.text}"
            out += _wrapped(text, width, "" if cure.ok else BAD)
        if decision.outage:
            out += _wrapped(decision.outage, width, HEAD)
    if not decision.notable:
        out.append(line("   ", ("plain agreement: of such frames the record keeps digests", DIM)))
    return out


def _wrapped(text: str, width: int, style: str) -> list[Text]:
    lines, current = [], ""
    for word in text.split(" "):
        if current and len(current) + len(word) + 1 > width - 6:
            lines.append(current)
            current = "  " + word
        else:
            current = f"{current} {word}" if current else word
    return [line("   ", (part, style)) for part in [*lines, current]]

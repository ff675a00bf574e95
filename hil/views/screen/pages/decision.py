"""One frame's vote, down to the bits. Pure."""

from __future__ import annotations

from textwrap import wrap

from rich.text import Text

from hil.record.live import ALONE_MAX
from hil.redundancy.voting import NodeStatus, VerdictKind
from hil.views.alarm_limits import Level
from hil.views.correctness import Answered, names_text
from hil.views.screen.model.decision import Decision, NodeAnswer, OutputDifference, VotePart
from hil.views.screen.model.facts import Vote
from hil.views.screen.pages.style import STYLES, Marks, columns, fit, line, rule
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, flight_time, plural

__all__ = ["decision_page"]


def decision_page(found: Decision, width: int, marks: Marks) -> list[Text]:
    """Return the whole page; it may be longer than the screen."""
    out = [_headline(found, marks)]
    if found.vote is None:
        return [*out, line("   ", ("this frame is not in the record", DIM))]
    out += _agreed(found, width, marks)
    out += _decided(found, width)
    out += _answers(found, width, marks)
    out += _differences(found, width, marks)
    out += _story(found, width, marks)
    return out


def verdict_words(found: Decision) -> tuple[Level, str]:
    """Return how bad the verdict is, and what it was."""
    vote = found.vote
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
    again = f", computed {found.executions} times" if found.executions > 1 else ""
    differing = any(not a.agrees or a.latent for a in found.answers if a.part != VotePart.OUT)
    if found.notable and found.state and found.state != found.golden_state:
        return Level.WARN, f"{word}{again}: right output, WRONG STATE"
    if found.alone:
        return Level.WARN, f"{word}{again}: right output, NOT VOTED ON"
    return (Level.WARN if differing or again else Level.GOOD), f"{word}{again}: right output"


def _headline(found: Decision, marks: Marks) -> Text:
    level, words = verdict_words(found)
    style = STYLES[level] or (GOOD if found.vote else DIM)
    return line(
        " ",
        (f"FRAME {found.frame:,}", HEAD),
        f"  {flight_time(found.t_us)}   ",
        (f"{marks.levels[level]} {words}", style),
    )


def _agreed(found: Decision, width: int, marks: Marks) -> list[Text]:
    none = marks.dash * 4
    wrong = found.notable and found.output and found.output != found.golden_output
    astray = found.notable and found.state and found.state != found.golden_state
    label = "alone " if found.alone else "agreed"
    out = [
        line(
            f"   {label}   output ",
            (found.output or none, BAD if wrong else HEAD),
            "   state ",
            (found.state or none, BAD if astray else HEAD),
        )
    ]
    if found.notable:
        out.append(
            line(
                "   golden   output ",
                (found.golden_output, GOOD if wrong else ""),
                "   state ",
                (found.golden_state, GOOD if astray else ""),
                ("   known to the bench only" if width >= 100 else "", DIM),
            )
        )
    if found.value:
        shown = found.value[: max(8, (width - 12) // 3 // 4 * 4)]
        more = f" {marks.more}" if len(shown) < len(found.value) else ""
        held = found.vote is not None and found.vote.held
        out.append(line(f"   {'held' if held else 'value':<9}", _hex(shown), (more, DIM)))
    return out


def _decided(found: Decision, width: int) -> list[Text]:
    """Return which voters decided, and by which rule."""
    vote = found.vote
    voted = vote is not None and vote.delivered and not found.alone
    out = _labelled("decision", _decided_by(found), width, "" if voted else WARN)
    if found.rule.text:
        scheme = f"{found.rule.scheme}: " if found.rule.scheme else ""
        out += _labelled("rule", scheme + found.rule.text, width, DIM if voted else "")
    return out


def _decided_by(found: Decision) -> str:
    vote = found.vote
    answered = [
        a
        for a in found.answers
        if a.status == NodeStatus.DONE.word and a.part in {VotePart.VOTER, VotePart.RETURNS}
    ]
    if vote is None:
        return ""
    if vote.kind == VerdictKind.NO_QUORUM.word or not answered:
        return f"undecided: no node answered; {_left(vote)}"
    names = names_text(a.node for a in answered)
    if found.alone:
        more = " or more" if found.alone >= ALONE_MAX else ""
        times = f", for {found.alone:,}{more} consecutive frames" if found.alone > 1 else ""
        return f"undecided: only {names} answered{times}; {_left(vote)}"
    if len(found.answers) == 1:
        return f"{names}, the only node"
    if vote.kind == VerdictKind.NO_MAJORITY.word:
        return f"undecided: {names} do not agree; {_left(vote)}"
    agreed = [a for a in answered if a.agrees]
    back = [a.node for a in agreed if a.part == VotePart.RETURNS]
    text = f"{names_text(a.node for a in agreed)} agree"
    astray = [a.node for a in agreed if a.latent]
    if astray:
        text += f" in output; the state of {names_text(astray)} differs"
    if back and any(a.part == VotePart.VOTER for a in found.answers):
        text += f"; {names_text(back)} counted, as the voters alone did not decide"
    elif back:
        text += "; all were returning, as no node voted"
    return text


def _left(vote: Vote) -> str:
    """What was delivered where nobody decided."""
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
    """A text in as many lines as it needs, beside its label."""
    rows = wrap(text, max(20, width - 13))
    return [line(f"   {label if at == 0 else '':<9}", (row, style)) for at, row in enumerate(rows)]


def _hex(value: bytes) -> str:
    return value.hex(" ", 4)


def _answers(found: Decision, width: int, marks: Marks) -> list[Text]:
    right = "" if found.executions == 1 else "the first of its executions"
    out = [rule("ANSWERS", width, marks, right)]
    head = [("node", 7), ("counts", 7), ("answer", 10), ("output digest", 17), ("state digest", 17)]
    out.append(line("   ", columns([(t, w, DIM) for t, w in head], marks), ("says", DIM)))
    for answer in found.answers:
        level = _level(answer, found)
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
            (answer.state_digest or marks.dash, 17, style if _is_astray(answer, found) else ""),
        ]
        text = fit(_says(answer), width - 66, marks)
        out.append(
            line(" ", (marks.levels[level], style), " ", columns(cells, marks), (text, style))
        )
    return out


def _level(answer: NodeAnswer, found: Decision) -> Level:
    if answer.part == VotePart.OUT:
        return Level.NOTE
    vote = found.vote
    if answer.worth is Answered.WRONG and vote and vote.delivered and not vote.correct:
        return Level.BAD
    return Level.GOOD if answer.worth is Answered.RIGHT else Level.WARN


def _is_astray(answer: NodeAnswer, found: Decision) -> bool:
    """Whether its state is not the fault-free one."""
    golden = found.golden_state if found.notable else found.state
    return bool(answer.state_digest) and answer.state_digest != golden


def _says(answer: NodeAnswer) -> str:
    if answer.status != NodeStatus.DONE.word:
        return answer.reason or answer.status
    return {"": "agrees", "dissents": "another output", "latent": "another state"}.get(
        answer.words, answer.words
    )


def _differences(found: Decision, width: int, marks: Marks) -> list[Text]:
    if not found.differences:
        worth = {a.worth for a in found.answers}
        if not found.notable or not worth & {Answered.WRONG, Answered.WRONG_STATE}:
            return []
        return [
            rule("DIFFERENCES", width, marks),
            line("   ", ("the record has digests, but no bytes, of what differed", DIM)),
        ]
    pieces = len(found.differences) + found.hidden
    right = f"{plural(found.bits, 'bit')} in {plural(pieces, 'piece')}"
    if found.hidden:
        right += f", of which the first {len(found.differences)} are here"
    out = [rule("DIFFERENCES", width, marks, right)]
    head = [("node", 5), ("where", 13), (found.reference or "agreed", 23), ("found", 23)]
    out.append(line("   ", columns([(t, w, DIM) for t, w in head], marks), ("byte.bit", DIM)))
    last = None
    for item in found.differences:
        again = last is not None and last.node == item.node and last.where == item.where
        out.append(_difference(item, width, marks, again=again))
        last = item
    return out


def _difference(item: OutputDifference, width: int, marks: Marks, *, again: bool) -> Text:
    agreed, there = line(), line()
    for a, b in zip(item.agreed, item.found, strict=False):
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
    """Which bits differ: `256.4`; or how many, if there are more than a few."""
    found = [
        f"{item.offset + at}.{bit}"
        for at, (a, b) in enumerate(zip(item.agreed, item.found, strict=False))
        for bit in range(8)
        if (a ^ b) >> bit & 1
    ]
    return f"{len(found)} bits" if len(found) > 3 else " ".join(found)


def _story(found: Decision, width: int, marks: Marks) -> list[Text]:
    out: list[Text] = []
    if found.causes:
        out.append(rule("CAUSE", width, marks))
        for cause in found.causes:
            out += _wrapped(cause, width, "")
    elif found.notable and verdict_words(found)[0] > Level.GOOD:
        none = "the record has none: no upset hit in this frame, and none was in force"
        out += [rule("CAUSE", width, marks), line("   ", (none, DIM))]
    if found.cures or found.outage:
        out.append(rule("RECOVERY", width, marks))
        for cure in found.cures:
            glyph = marks.arrow if cure.ok else marks.bad
            text = f"{glyph} frame {cure.frame:,}  {cure.node} {cure.text}"
            out += _wrapped(text, width, "" if cure.ok else BAD)
        if found.outage:
            out += _wrapped(found.outage, width, HEAD)
    if not found.notable:
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

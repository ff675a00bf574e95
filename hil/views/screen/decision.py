"""One frame's vote, as the record has it: answers, differences, the cause, the cure."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from hil.record.digest import hex64
from hil.views.listing import signal_name, upset_text
from hil.views.screen.facts import Vote
from hil.views.screen.gather import vote_of
from hil.views.screen.source import Source
from hil.views.screen.timeline import Timeline
from hil.views.style import duration
from hil.voter import NodeStatus, Verdict

__all__ = ["Answer", "Cure", "Decision", "Difference", "decision", "neighbour"]

_CHUNK: Final = 8
_DIFFERENCES_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """What one node said. `part`: voter, heard (compared, but does not count) or out."""

    node: str
    status: str
    reason: str
    output_digest: str
    state_digest: str
    part: str
    agrees: bool
    latent: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """Bytes of one node that are not those of the others. `where` is output or state."""

    node: str
    where: str
    offset: int
    agreed: bytes
    found: bytes

    @property
    def bits(self) -> int:
        """How many bits differ."""
        return sum((a ^ b).bit_count() for a, b in zip(self.agreed, self.found, strict=False))


@dataclass(frozen=True, slots=True)
class Cure:
    """One step of what recovery did."""

    frame: int
    node: str
    text: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """One frame. `notable` is false if it was plain agreement: then no more than digests is
    kept. `golden_*` is what the fault-free run computed; `reference` the node that others are
    compared with where nothing was agreed on."""

    frame: int
    t_us: int
    vote: Vote | None = None
    notable: bool = False
    executions: int = 1
    output: str = ""
    state: str = ""
    golden_output: str = ""
    golden_state: str = ""
    value: bytes = b""
    answers: tuple[Answer, ...] = ()
    differences: tuple[Difference, ...] = ()
    hidden: int = 0
    reference: str = ""
    causes: tuple[str, ...] = ()
    cures: tuple[Cure, ...] = ()
    outage: str = ""


def decision(source: Source, frame: int) -> Decision:
    """Everything that the record has on a frame."""
    at_us = source.time.t_us(frame)
    verdict = source.verdict(frame)
    if verdict is None:
        return Decision(frame, at_us)
    row = source.one("SELECT * FROM frames WHERE frame = ?", frame)
    replies = source.rows("SELECT * FROM replies WHERE frame = ? ORDER BY execution, node", frame)
    first = {r["node"]: r for r in replies if r["execution"] == 0}
    value = bytes(row["value"] or b"") if row else b""
    spoke = [i for i, r in first.items() if r["status"] == "done" and r["output"]]
    reference = source.names[spoke[0]] if spoke and not value else ""
    found = _in_output(source.names, first, value) + _in_state(source, frame)
    cures, outage = _cures(source, frame)
    return Decision(
        frame,
        at_us,
        vote_of(verdict),
        notable=row is not None,
        executions=1 + max((r["execution"] for r in replies), default=0),
        output=hex64(verdict.output) if verdict.output else "",
        state=hex64(verdict.state) if verdict.state else "",
        golden_output=row["golden_output"] if row else "",
        golden_state=row["golden_state"] if row else "",
        value=value,
        answers=tuple(_answers(source.names, verdict, first)),
        differences=tuple(found[:_DIFFERENCES_KEPT]),
        reference=reference,
        hidden=max(0, len(found) - _DIFFERENCES_KEPT),
        causes=tuple(_causes(source, frame) or _suspects(source, frame, verdict)),
        cures=cures,
        outage=outage,
    )


def _answers(
    names: tuple[str, ...], verdict: Verdict, first: dict[int, sqlite3.Row]
) -> list[Answer]:
    """As the first execution had it: a rollback may have made them agree."""
    out: list[Answer] = []
    for index, name in enumerate(names):
        ballot, told = verdict.ballots[index], first.get(index)
        status = told["status"] if told else NodeStatus(ballot.status).name.lower()
        number = told["signal"] if told else ballot.signal
        output = told["output_digest"] if told else hex64(ballot.output_digest)
        state = told["state_digest"] if told else hex64(ballot.state_digest)
        bit = 1 << index
        part = "voter" if verdict.voters & bit else "out" if status == "excluded" else "heard"
        done = status == "done"
        out.append(
            Answer(
                name, status, signal_name(number) if number else (told["reason"] if told else ""),
                output if done else "", state if done else "", part,
                agrees=done and output == hex64(verdict.output) and bool(verdict.output),
                latent=done and bool(verdict.state) and state != hex64(verdict.state),
            )
        )  # fmt: skip
    return out


def _in_output(
    names: tuple[str, ...], first: dict[int, sqlite3.Row], value: bytes
) -> list[Difference]:
    """Pieces of the outputs that differ from the agreed one; without one, from the first."""
    outputs = {i: bytes(r["output"]) for i, r in first.items()
               if r["status"] == "done" and r["output"] and i < len(names)}  # fmt: skip
    agreed = value or next(iter(outputs.values()), b"")
    out: list[Difference] = []
    for index, output in outputs.items():
        out += pieces(names[index], "output", 0, agreed, output)
    return out


def pieces(node: str, where: str, begin: int, agreed: bytes, found: bytes) -> list[Difference]:
    """The pieces of eight bytes in which two byte strings differ."""
    return [
        Difference(node, where, begin + at, agreed[at : at + _CHUNK], found[at : at + _CHUNK])
        for at in range(0, min(len(agreed), len(found)), _CHUNK)
        if agreed[at : at + _CHUNK] != found[at : at + _CHUNK]
    ]


def _in_state(source: Source, frame: int) -> list[Difference]:
    """Pieces of the chunks that a resync found damaged."""
    out: list[Difference] = []
    for row in source.rows(
        "SELECT r.node, d.offset, d.found, d.voted FROM repairs r JOIN damage d ON d.repair = r.id "
        "WHERE r.id > ? AND r.id <= ? AND r.frame = ? ORDER BY r.id, d.offset",
        source.position("repairs", frame - 1), source.position("repairs", frame), frame,
    ):  # fmt: skip
        out += pieces(row["node"], "state", row["offset"], bytes(row["voted"]), bytes(row["found"]))
    return out


def _causes(source: Source, frame: int) -> list[str]:
    upsets = source.rows(
        "SELECT * FROM upsets WHERE frame = ? OR (detected_frame = ? AND frame BETWEEN ? AND ?) "
        "ORDER BY id",
        frame, frame, frame - 100_000, frame,
    )  # fmt: skip
    anomalies = source.rows(
        "SELECT * FROM anomalies WHERE id > ? AND id <= ? AND frame = ?",
        source.position("anomalies", frame - 1), source.position("anomalies", frame), frame,
    )  # fmt: skip
    return [
        *(cause_text(row, frame) for row in upsets),
        *(f"{a['node']}: {a['effect']}, explained by no upset. {a['reason']}" for a in anomalies),
    ]


def _suspects(source: Source, frame: int, verdict: Verdict) -> list[str]:
    """Nothing was made in this frame: what hit the differing nodes last may still lie in them."""
    odd = verdict.dissent | verdict.latent
    out: list[str] = []
    for index, name in enumerate(source.names):
        row = odd >> index & 1 and source.one(
            "SELECT * FROM upsets WHERE node = ? AND frame BETWEEN ? AND ? AND state = 'injected' "
            "ORDER BY frame DESC, id DESC LIMIT 1", name, frame - 1000, frame - 1,
        )  # fmt: skip
        if row:
            out.append(f"none in this frame; the last before: {cause_text(row, frame)}")
    return out


def cause_text(row: sqlite3.Row, frame: int) -> str:
    """An upset, with what was read before and after it."""
    text = upset_text(row)
    if row["state"] == "injected":
        text += f"; at tick {row['tick']}" + (f" + {row['steps']} steps" if row["steps"] else "")
        if row["space"]:
            text += f", bit {row['bit']:,} of {row['space']:,}"
        if row["before"] or row["after"]:
            text += f": {bytes(row['before']).hex()} -> {bytes(row['after']).hex()}"
    if row["frame"] != frame:
        text += f" (made in frame {row['frame']:,})"
    return text


def _cures(source: Source, frame: int) -> tuple[tuple[Cure, ...], str]:
    """What was done from this frame on until its nodes voted again, and how long that took."""
    start = source.position("transitions", frame - 1)
    left: dict[str, sqlite3.Row] = {}
    back: dict[str, sqlite3.Row] = {}
    for row in source.rows("SELECT * FROM transitions WHERE id > ? ORDER BY id LIMIT 400", start):
        if row["frame"] == frame and row["before"] == "voting":
            left.setdefault(row["node"], row)
        elif row["node"] in left and row["node"] not in back and \
                row["after"] in ("voting", "isolated"):  # fmt: skip
            back[row["node"]] = row
    last = max((row["frame"] for row in back.values()), default=frame)
    repairs = source.rows(
        "SELECT * FROM repairs WHERE id > ? AND id <= ? ORDER BY id LIMIT 40",
        source.position("repairs", frame - 1), source.position("repairs", last),
    )  # fmt: skip
    cures = tuple(
        Cure(r["frame"], r["node"], _repair_text(r), bool(r["ok"]))
        for r in repairs
        if r["frame"] == frame or r["node"] in left
    )
    texts = [_outage(name, row, back.get(name), source.time) for name, row in left.items()]
    return cures, "; ".join(texts)


def _repair_text(row: sqlite3.Row) -> str:
    what = row["action"].replace("_", " ")
    if not row["ok"]:
        return f"{what} FAILED: {row['detail']}"
    moved = f", {row['chunks']} chunks, {row['bytes_moved']:,} B moved" if row["chunks"] else ""
    return f"{what} ({row['cause']}): done in {duration(row['duration_wall_us'])}{moved}"


def _outage(name: str, left: sqlite3.Row, back: sqlite3.Row | None, time: Timeline) -> str:
    if back is None:
        return f"{name} left the vote ({left['cause']}) and is not back yet"
    frames = back["frame"] - left["frame"]
    real = duration(back["wall_us"] - left["wall_us"])
    end = "was isolated" if back["after"] == "isolated" else "voted again"
    flight = time.t_us(back["frame"]) - time.t_us(left["frame"])
    if not frames:
        return f"{name} {end} before the next frame, after {real}"
    return f"{name} {end} after {frames} frames: {duration(flight)} of flight, {real}"


def neighbour(source: Source, frame: int, step: int) -> int | None:
    """The next notable frame after `frame` (step 1), or the one before it (-1)."""
    sign, order = (">", "ASC") if step > 0 else ("<", "DESC")
    row = source.one(
        f"SELECT frame FROM frames WHERE frame {sign} ? ORDER BY frame {order} LIMIT 1", frame
    )
    return None if row is None else int(row["frame"])

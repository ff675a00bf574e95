"""The texts of a language model on the command line."""

from __future__ import annotations

import pytest

from tests.command_line import Hil

TINY = """schema: 1
workload: lm
seed: 9
frames: 120
rig: {scheme: tmr, board: inproc}
upsets: {events: [{frame: 60, node: b, target: output, bit: 1, tick: 13}]}
"""


def test_a_run_says_where_the_texts_part(hil: Hil) -> None:
    hil.write("tiny.yaml", TINY)
    done = hil("run", "tiny.yaml", "--out", "tiny", "--no-tui")
    assert done.code == 0
    assert "b          heals        1" in done.out + done.err
    replay = hil("replay", "tiny", "--frames", "50:70")
    assert "text of frames 50 to 70" in replay.out and replay.out.count("^") == 1
    assert "; nodes a, c wrote the right one" in replay.out
    assert "; all nodes wrote the right one" in hil("replay", "tiny", "--frames", "10:20").out
    found = hil("replay", "tiny", "--frames", "50:70", "--json").json
    right, own = found["texts"]["right"], found["texts"]["nodes"]["b"]
    assert own[10] == chr(ord(right[10]) ^ 2)
    assert own[:10] + own[11:] == right[:10] + right[11:] and found["texts"]["delivered"] == right
    kinds = {o["name"]: (o["kind"], o["parted_in_frame"]) for o in found["text_outcomes"]}
    assert kinds["b"] == ("heals", 60) and kinds["delivered"] == ("same", None)


def test_hits_of_a_text_are_a_campaign_of_their_own(hil: Hil) -> None:
    rows = hil("campaign", "lm-saa", "--text-hits", "1", "--json").json["rows"]
    assert [row["hits"] for row in rows] == [1] * 10
    assert "4th quarter" in hil("campaign", "lm-saa", "--text-hits", "1").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nominal", "--text-hits", "1"), "the workload `infer` writes no text"),
        (("lm-saa", "--text-hits", "1", "--exact"), "which campaign?"),
        (("lm-saa", "--text-hits", "1", "--severity"), "--severity is for exact campaigns"),
    ],
)
def test_what_makes_no_sense_is_refused(hil: Hil, words: tuple[str, ...], says: str) -> None:
    done = hil("campaign", *words)
    assert done.code == 2 and says in done.err

"""`hil campaign` of several workloads: one table of exact campaigns, and every flip of weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import Hil
from tests.ready import ReadyHil
from tests.rig.onnx_models import conv_net

SCENARIO = "schema: 1\nworkload: dense-int8\nframes: 10\nrig: {scheme: simplex, board: process}\n"
PAIR = "dense-int8,dense-int8+dup"


@pytest.fixture
def hil(tmp_path: Path, ready: ReadyHil) -> Hil:
    hil = Hil(tmp_path, ready)
    hil.write("mine.yaml", SCENARIO)
    return hil


@pytest.mark.slow
@pytest.mark.ptrace
def test_variants_stand_in_one_table_beside_tmr(hil: Hil) -> None:
    of = ("--exact", "--targets", "output,heap", "--confirm", "3")
    words = ("campaign", "mine.yaml", *of, "--workload", PAIR)
    done = hil(*words, "--json", "--upset-rate", "0.001")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert (document["upsets_per_bit_day"], document["board"]) == (0.001, "raspberry-pi-4b")
    bare, tmr, dup = document["variants"]
    assert [row["workload"] for row in (bare, tmr, dup)] == [
        "dense-int8",
        "dense-int8, TMR",
        "dense-int8+dup",
    ]
    assert tmr["memory_bytes"] == 3 * bare["memory_bytes"]
    assert tmr["joules"] == pytest.approx(3 * bare["joules"])
    assert bare["flown"] is None and dup["flown"] is None
    flown = tmr["flown"]
    assert (flown["faults"], flown["pairs"]) == (3, 3)
    assert flown["effective"] == 9  # each makes the output of its node wrong
    assert (flown["wrong"], flown["no_output"], flown["pairs_wrong"]) == (0, 0, 0)
    assert dup["memory_bytes"] == bare["memory_bytes"] + 32 + 4  # activations again, repairs
    assert dup["instructions"] > bare["instructions"]
    assert dup["sdc"] / dup["instructions"] < bare["sdc"] / bare["instructions"]
    assert (hil.cwd / "mine.dense-int8+dup.campaign").is_file()
    again = hil(*words, "--quiet")  # the results are there: no campaign is carried out
    assert again.code == 0 and "experiments" not in again.err
    assert "dense-int8, TMR" in again.out and "outvoted" in again.out
    assert "flown: 3 faults" in again.out
    repeated = hil(
        *("campaign", "mine.dense-int8+dup.campaign", "--repeat", "0.0"),
        *("--workload", "dense-int8+dup"),
    )
    assert repeated.code == 0, repeated.err
    other = hil(*words, "--frame", "4")
    assert other.code != 0 and "is the result of another campaign" in other.err


def test_every_flip_of_every_weight_is_one_command(hil: Hil) -> None:
    done = hil("campaign", "mine.yaml", "--weights", "--images", "3", "--json")
    assert done.code == 0, done.err
    (result,) = json.loads(done.out)["workloads"]
    assert (result["format"], result["weights"], result["images"]) == ("int8", 2368, 3)
    sign, rest = result["groups"]
    assert sign["broken"] == result["by_bit"][7] and rest["broken"] == sum(result["by_bit"][:7])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--weights", "--workload", "sha256"), "sha256 is no model whose weights are known"),
        (("--weights", "--workload", "dense-int9"), "there is no workload `dense-int9`"),
        (("--weights", "--workload", "dense-int8,dense-int8"), "it names one twice"),
        (("--weights", "--severity"), "--severity is for exact campaigns"),
        (("--exact", "--workload", PAIR, "--out", "x.campaign"), "for campaigns of one workload"),
        (("--exact", "--workload", PAIR, "--upset-rate", "0"), "expected a number above 0"),
        (("--sampled", "--workload", PAIR), "this takes one workload"),
        (("--exact", "--images", "3"), "--images is for campaigns of weights"),
        (("--weights", "--exact"), "which campaign?"),
    ],
)
def test_what_does_not_go_together_is_one_clear_message(
    hil: Hil, words: tuple[str, ...], message: str
) -> None:
    done = hil("campaign", "mine.yaml", *words)
    assert done.code != 0
    assert message in done.err
    assert "Traceback" not in done.err
    assert list(hil.cwd.glob("*.campaign")) == []


@pytest.mark.parametrize(
    ("scenario", "is_a"),
    [
        ("workload: exec\nexec: {program: p}\nframes: 10\n", "a program of `exec`"),
        ("workload: {onnx: model.onnx}\nframes: 10\n", "an ONNX model"),
    ],
)
@pytest.mark.parametrize("kind", ["--exact", "--sampled", "--scheme-proof", "--weights"])
def test_no_campaign_is_begun_of_a_program(hil: Hil, scenario: str, is_a: str, kind: str) -> None:
    """The instructions of a program are not followed: the board is not what is missing."""
    conv_net(hil.cwd / "model.onnx")
    hil.write("program.yaml", scenario + "rig: {scheme: tmr, board: process}\n")
    done = hil("campaign", "program.yaml", kind)
    assert done.code == 2
    assert f"is {is_a}, whose instructions no agent follows" in done.err

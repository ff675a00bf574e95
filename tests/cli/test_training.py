"""`hil training`: ways to protect a training run, compared."""

from __future__ import annotations

import pytest

from tests.command_line import Hil


@pytest.mark.slow
def test_protections_are_compared(hil: Hil) -> None:
    words = ("training", "train-upsets", "--boards", "inproc", "--frames", "256", "--upsets", "2")
    done = hil(*words)
    assert done.code == 0
    for name in ("none", "recheck on a spike", "rollback on a spike", "two nodes", "three nodes"):
        assert f"\n{name}" in done.out
    assert "cannot occur: the workload computes with integers" in " ".join(done.out.split())
    answer = hil(*words, "--json").json
    assert [row["injected"] for row in answer["protections"]] == [2] * 5
    assert answer["targets"] == ["state"]
    assert answer["protections"][4]["classes"]["no effect"] == 2
    assert answer["protections"][0]["classes"]["no effect"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("quickstart",), "which does not train"),
        (("train-upsets", "--targets", "weights"), "`weights` is none of them"),
        (("train-upsets", "--boards", "inproc", "--targets", "gpr"), "have no gpr to hit"),
        (("train-upsets", "--frames", "200"), "200 frames are too few"),
    ],
)
def test_what_cannot_be_compared_is_one_message(
    hil: Hil, words: tuple[str, ...], message: str
) -> None:
    done = hil("training", *words)
    assert (done.code, message in done.err) == (2, True), done.err
    assert "Traceback" not in done.err


def test_the_summary_shows_the_loss_of_each_node(hil: Hil) -> None:
    done = hil("run", "train-upsets", "--boards", "inproc", "--frames", "300", "--no-tui")
    assert done.code == 0
    lines = done.out.splitlines()
    at = next(k for k, text in enumerate(lines) if "Training, loss" in text)
    golden, *nodes = [text.split() for text in lines[at + 2 : at + 6]]
    assert [row[0] for row in (golden, *nodes)] == ["golden", "a", "b", "c"]
    assert golden[2] == nodes[0][2]
    assert float(golden[2]) > 2
    assert float(golden[3]) < 0.3

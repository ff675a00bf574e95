"""The texts that nodes write: read from records, against the kernel computed beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil import assets
from hil.campaign.text_hits import _bit, _Passages, text_hits
from hil.engine.loop import Loop
from hil.errors import UsageError
from hil.random_streams import stream
from hil.record.live import LiveRecord
from hil.record.reader import Reader
from hil.record.text_outcomes import TextOutcome, recorded_texts, text_outcomes
from hil.record.written_texts import NOTHING, TextSpan
from hil.scenario import Overrides, Scenario, load
from hil.scenario.output_meaning import NO_CHARACTER, character, curves
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.pages.overview.texts import texts as text_lines
from hil.views.screen.pages.style import Marks
from hil.views.style import Glyphs
from hil.views.texts import LINE_FEED, parting_lines
from tests.kernel.workload_rig import Rig

SEED = 9
FRAMES = 560
LAST_BIT = 8 * 8 + 1  # of the number of the last character
OUTPUT = {"frame": 40, "node": "a", "target": "output", "bit": 0, "tick": 13}
STATE = {"frame": 60, "node": "a", "target": "state", "bit": LAST_BIT, "tick": 13}


def run(out: Path, scheme: str, events: list[dict[str, Any]], **data: Any) -> None:
    rig = {"scheme": scheme, "board": "inproc"}
    base = {"workload": "lm", "seed": SEED, "frames": FRAMES, "rig": rig, "expect": "none"}
    Loop(Scenario.model_validate({**base, "upsets": {"events": events}, **data}), out).run()


def read(out: Path) -> tuple[TextSpan, dict[str, TextOutcome]]:
    reader = Reader(out)
    try:
        recorded = recorded_texts(reader)
        assert recorded is not None
        span = recorded.texts.span(0, recorded.last)
        outcomes = text_outcomes(reader, recorded.texts, recorded.names, recorded.last)
        return span, {outcome.name: outcome for outcome in outcomes}
    finally:
        reader.close()


def written(flips: dict[int, tuple[str, int]] | None = None) -> str:
    """What a node writes whose bits are flipped at the end of these frames."""
    rig, out = Rig("lm", SEED), ""
    for frame in range(FRAMES):
        rig.sense(frame)
        region, bit = (flips or {}).get(frame, ("", 0))
        output = rig.step_with_flip(13, region, bit // 8, bit % 8) if region else rig.step()
        out += chr(output[0])
    return out


def wrong(own: str, right: str) -> list[int]:
    return [at for at, pair in enumerate(zip(own, right, strict=True)) if pair[0] != pair[1]]


def test_three_nodes_write_the_right_text(tmp_path: Path) -> None:
    run(tmp_path, "tmr", [])
    span, outcomes = read(tmp_path)
    assert {span.right, span.delivered, *span.nodes} == {written()}
    assert {o.kind for o in outcomes.values()} == {"same"}
    assert {(o.characters, o.wrong) for o in outcomes.values()} == {(FRAMES, 0)}


def test_an_outvoted_node_parts_for_as_long_as_it_is_wrong(tmp_path: Path) -> None:
    run(tmp_path, "tmr", [OUTPUT, {**STATE, "node": "b"}])
    span, outcomes = read(tmp_path)
    right = written()
    assert span.right == span.delivered == right
    assert wrong(span.nodes[0], right) == [40]
    assert span.nodes[0][40] == chr(ord(right[40]) ^ 1)
    assert set(wrong(span.nodes[1].replace(NOTHING, "~"), right)) <= set(range(60, 66))
    assert span.nodes[2] == right
    assert outcomes["a"].kind == "heals"
    assert (outcomes["a"].wrong, outcomes["a"].parted, outcomes["a"].longest) == (1, 40, 1)
    assert outcomes["delivered"].kind == "same"


def test_a_single_node_goes_astray_until_its_passage_ends(tmp_path: Path) -> None:
    run(tmp_path, "simplex", [STATE])
    span, outcomes = read(tmp_path)
    right, own = written(), written({60: ("state", LAST_BIT)})
    at = wrong(own, right)
    assert 60 < at[0] < 80 and at[-1] < 256 and len(at) > 50
    assert (span.right, span.nodes, span.delivered) == (right, (own,), own)
    for name in ("a", "delivered"):
        outcome = outcomes[name]
        assert (outcome.kind, outcome.wrong, outcome.parted) == ("heals", len(at), at[0])
        assert outcome.wrong_share == pytest.approx(len(at) / (FRAMES - at[0]))
    assert outcomes["a"].altered >= len(at)
    assert outcomes["a"].likelihood_change is not None


def test_a_damaged_weight_stays(tmp_path: Path) -> None:
    """The sign of a weight of the embedding of the space, which every sentence meets."""
    bit = 8 * (88 + 64 * 1 + 5) + 7
    run(tmp_path, "simplex", [{**STATE, "bit": bit}, {**STATE, "frame": 61, "bit": bit + 64}])
    span, outcomes = read(tmp_path)
    own = written({60: ("state", bit), 61: ("state", bit + 64)})
    assert (span.nodes, span.delivered) == ((own,), own)
    assert outcomes["a"].wrong == len(wrong(own, written()))
    assert outcomes["a"].altered > 400


def test_a_node_without_an_output_has_no_character(tmp_path: Path) -> None:
    crash = {"frame": 30, "node": "c", "target": "cpu", "sefi": "crash"}
    run(tmp_path, "tmr", [crash])
    span, outcomes = read(tmp_path)
    right = written()
    assert span.nodes[2][30] == NOTHING
    assert outcomes["c"].kind == "same"
    assert outcomes["c"].characters == FRAMES - span.nodes[2].count(NOTHING) < FRAMES
    assert span.delivered == right


def test_the_anomaly_costs_a_single_node_its_text_and_three_nodes_nothing(tmp_path: Path) -> None:
    """The shipped scenario, with the same upsets of node a."""
    path = assets.scenario_path("lm-saa")
    assert path is not None
    shares = {}
    for scheme in ("tmr", "simplex"):
        chosen = Overrides(board="inproc", scheme=scheme, duration="8m")
        (tmp_path / scheme).mkdir()
        Loop(load(str(path), chosen).scenario, tmp_path / scheme).run()
        span, outcomes = read(tmp_path / scheme)
        shares[scheme] = outcomes["delivered"].wrong_share
        assert (span.delivered == span.right) is (scheme == "tmr")
    assert shares["tmr"] == 0
    assert shares["simplex"] >= 0.2


# --- what people see ------------------------------------------------------------------------------


def test_the_screen_shows_each_sentence_and_where_they_part(tmp_path: Path) -> None:
    run(tmp_path, "tmr", [OUTPUT])
    source = LiveRecord(tmp_path)
    source.poll()
    reader, right = SceneReader(source), written().replace("\n", LINE_FEED)
    marks = Marks(ascii_only=True)
    for head in (45, 100, 39, 45):  # also backwards
        lines = [line.plain for line in text_lines(reader.scene(head), 80, marks)]
        assert right[: head + 1][-70:] in lines[3]
        if head < 40:
            assert "parts" not in lines[0] and len(lines) == 4
        else:
            assert "a parts in frame 40" in lines[0] and lines[1].startswith(f" {marks.bad} a")
            assert lines[4].endswith(right[: head + 1][-70:])
    assert "since frame 512" in text_lines(reader.scene(559), 80, marks)[0].plain
    source.close()


def test_workloads_without_a_text_have_none(tmp_path: Path) -> None:
    run(tmp_path, "tmr", [], workload="attitude")
    reader, source = Reader(tmp_path), LiveRecord(tmp_path)
    source.poll()
    assert recorded_texts(reader) is None
    assert text_lines(SceneReader(source).scene(5), 80, Marks()) == []
    reader.close()
    source.close()


def test_parting_lines_have_the_right_text_and_those_that_differ() -> None:
    span = TextSpan(7, "to be\nor not", "to be\nor not", ("to be\nor not", "to he\nor\0not"))
    lines = [line.plain for line in parting_lines(span, ("a", "b"), 80, Glyphs(ascii_only=True))]
    assert lines == ["right  to be/or not", "b      to he/or-not", "          ^"]
    assert span.parted(0) is None and span.parted(1) == 10


def test_outputs_that_are_no_characters_are_said_to_be_none() -> None:
    assert character("lm", b"\x41\0\0\0") == "A"
    assert character("lm", b"\x0a\0\0\0") == "\n"
    for output in (b"\x41\x01\0\0", b"\x07\0\0\0", b"\x7f\0\0\0", b"\x41"):
        assert character("lm", output) == NO_CHARACTER
    assert character("infer", b"\x41\0\0\0") is None
    (number,) = curves("lm", b"\x41\0\0\0" + (3 * 16384).to_bytes(4, "little"))
    assert (number.name, number.value, number.unit) == ("surprisal", 1.5, "bit")
    assert curves("lm", b"\x41") == () == curves("sha256", bytes(32))


# --- single hits by their place -------------------------------------------------------------------


def test_hits_of_a_text_are_those_of_the_kernel_beside_it() -> None:
    """The same hits, made between the steps of another context, lose the same characters."""
    passages = _Passages("lm", SEED)
    passages.begin(1)
    right = written()[256:512]
    assert "".join(passages.text) == right
    assert right[: passages.prompt].endswith(" ") and 15 < passages.prompt < 40
    for place, bit in ((5, LAST_BIT), (100, 8 * 200 + 7), (200, 8 * (103_064 + 64 * 7) + 6)):
        own = written({255 + place: ("state", bit)})[256:512]
        assert passages.lost(place, bit) == len(wrong(own, right))


def test_hits_of_a_text_are_drawn_within_what_they_are_said_to_hit() -> None:
    random = stream(1, "test")
    for place in (1, 64, 65, 200):
        layers = set()
        for _ in range(200):
            assert 88 <= _bit("weight", place, random) // 8 < 103_064
            at = _bit("cache", place, random) // 8 - 103_064
            assert 0 <= at < 4 * 64 * 64 and at // 64 % 64 == (place - 1) % 64
            layers.add(at // 4096)
        assert layers == {0, 1, 2, 3}


def test_text_hits_are_counted_by_part_and_phase() -> None:
    rows = text_hits("lm", 3, 2)
    assert [row.part for row in rows] == ["weight"] * 5 + ["cache"] * 5
    assert {row.hits for row in rows} == {2}
    assert rows[0].phase == rows[5].phase == "prompt" and rows[4].last == 255
    assert rows == text_hits("lm", 3, 2)
    with pytest.raises(UsageError, match="writes no text"):
        text_hits("infer", 3, 2)


def test_hits_of_the_protected_model_are_the_same_and_change_nothing() -> None:
    bare, protected = text_hits("lm", 3, 2), text_hits("lm+abft", 3, 2)
    assert [(r.part, r.first, r.last) for r in bare] == [
        (r.part, r.first, r.last) for r in protected
    ]
    assert sum(row.lost for row in bare) > 0
    assert sum(row.lost for row in protected) == 0

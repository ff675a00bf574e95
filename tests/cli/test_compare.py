"""`hil compare`: two campaigns, and what the counts of one come to."""

from __future__ import annotations

import pytest

from tests.command_line import Hil

from ..analysis.small_campaigns import CRASH, MASKED, SDC, small_campaign

WORSE = (SDC, SDC, SDC, SDC, SDC, SDC, MASKED, CRASH)


@pytest.fixture
def two(hil: Hil) -> Hil:
    small_campaign(hil.cwd / "a.campaign")
    small_campaign(hil.cwd / "b.campaign", first=WORSE)
    return hil


def test_two_campaigns_are_compared(two: Hil) -> None:
    done = two("compare", "a.campaign", "b.campaign")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("B has 2 times the silent corruptions of A: 32 against 16.")
    answer = two("compare", "a.campaign", "b.campaign", "--json").json
    assert answer["targets"]["state"]["sdc"] == {"a": 8, "b": 24, "difference": 16, "factor": 3}
    assert answer["pairing"]["mcnemar"]["silent corruption"]["only_b"] == 4
    assert answer["bytes"][0]["place"] == "state 0"


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("a.campaign", "none"), "there is no result file none", 3),
        (("a.campaign", "text"), "not a database", 3),
        (("a.campaign", "b.campaign", "--top", "-1"), "is not a number of places", 2),
        (("a.campaign", "c.campaign"), "no target in common", 2),
        (("a.campaign",), "with what?", 2),
    ],
)
def test_what_cannot_be_compared_is_one_message(
    two: Hil, words: tuple[str, ...], message: str, code: int
) -> None:
    two.write("text", "no database, but long enough to be taken for one " * 40)
    small_campaign(two.cwd / "c.campaign", targets=("heap",))
    done = two("compare", *words)
    assert (done.code, message in done.err) == (code, True), done.err


@pytest.mark.parametrize(
    "words", [("a.campaign", "part"), ("part", "--protect", "all"), ("part", "--factors")]
)
def test_a_part_of_a_campaign_is_not_taken_for_the_whole(two: Hil, words: tuple[str, ...]) -> None:
    small_campaign(two.cwd / "part", classes=4)
    done = two("compare", *words)
    assert (done.code, "part is a part of a campaign: it has 2 of 4" in done.err) == (2, True)


@pytest.mark.slow
def test_protection_factors_and_failures_in_orbit(two: Hil) -> None:
    words = ("compare", "a.campaign", "--protect", "all", "--factors", "--orbit", "saa-pass")
    done = two(*words, "--profile", "raspberry-pi-5", "--duty", "0.5")
    assert done.code == 0
    assert "2 of 3 bytes carry 16 silent corruptions" in done.out
    assert "parameter VF" in done.out
    assert "raspberry-pi-5: no beam test of this board is known; its data set" in done.out
    assert "the memory is LPDDR4X" in " ".join(done.out.split())
    answer = two(*words, "--duty", "1", "--json").json
    assert answer["protect"]["bytes"]["protect"][1] == {
        "protected": 1, "share": 1 / 3, "sdc_left": 8, "added": ["state 0"],
    }  # fmt: skip
    assert answer["factors"]["state"]["parameter_vf"] == 0.125
    both = two("compare", "a.campaign", "b.campaign", *words[2:], "--duty", "1", "--json").json
    assert both["outlook"]["a"] == {k: answer[k] for k in ("protect", "factors", "orbit")}
    assert both["outlook"]["b"]["factors"]["state"]["avf"] == pytest.approx(24 / 160)
    orbit = answer["orbit"]
    assert orbit["targets"]["state"]["open_bits_sdc"] == pytest.approx(0.8)
    per_day = orbit["sdc"]["per_day"]["best"]
    assert per_day == pytest.approx(1.6 * orbit["upsets_per_bit_day"]["best"])
    assert orbit["sdc"]["fit"]["best"] == pytest.approx(per_day / 24 * 1e9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--protect", "text"), "`text` is not a target of this campaign"),
        (("--protect", ","), "no target"),
        (("--profile", "raspberry-pi-5"), "has no meaning without --orbit"),
        (("--duty", "0.5"), "has no meaning without --orbit"),
        (("--orbit", "nominal"), "has no plant"),
        (("--orbit", "saa-pass", "--profile", "google-tpu-v6e"), "no cross-section of a bit"),
        (("--orbit", "saa-pass", "--duty", "2"), "not a share of the time"),
    ],
)
def test_what_cannot_be_said_is_one_message(two: Hil, words: tuple[str, ...], message: str) -> None:
    done = two("compare", "a.campaign", *words)
    assert (done.code, message in done.err) == (2, True), done.err


@pytest.mark.slow
def test_schemes_are_compared_in_runs_of_one_scenario(hil: Hil) -> None:
    words = ("compare", "two-faults", "--schemes", "simplex,tmr", "--boards", "inproc")
    answer = hil(*words, "--json").json
    first, second = answer["schemes"]
    assert (first["scheme"], second["scheme"]) == ("simplex", "tmr")
    assert (first["wrong_frames"], second["boards"]) == (0, 3)
    assert any("left out" in note for note in answer["notes"])
    done = hil(*words, "--over", "reintegrate_frames=1,2")
    assert done.code == 0
    assert "reintegrate_frames  scheme" in done.out


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("two-faults", "--schemes", "tnr"), "no scheme `tnr`", 2),
        (("two-faults", "--schemes", "tmr,tmr"), "names one twice", 2),
        (
            ("two-faults", "--schemes", "tmr,dmr", "--over", "monitor_votes=1,2"),
            "no scheme of this comparison has `monitor_votes`",
            2,
        ),
        (("two-faults", "--schemes", "tmr", "--over", "seed=1"), "cannot be swept", 2),
        (("two-faults", "--schemes", "tmr", "--over", "altitude_km=500"), "no orbit", 2),
        (("two-faults", "--schemes", "tmr", "--runs", "0"), "not a number of runs", 2),
        (("two-faults", "--schemes", "tmr", "-o", "a.txt"), "not a kind of picture", 2),
        (("two-faults", "b.campaign", "--schemes", "tmr"), "not campaigns", 2),
        (("no-such", "--schemes", "tmr"), "no-such", 2),
        (("a.campaign", "--runs", "3"), "are for schemes", 2),
    ],
)
def test_a_comparison_of_schemes_that_cannot_be_made_says_why(
    two: Hil, words: tuple[str, ...], message: str, code: int
) -> None:
    done = two("compare", *words)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err

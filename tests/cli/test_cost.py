"""`hil cost`: from a recorded run to the price of its correct answers."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hil.api import FramesDone, RunObserver, open_run, parse_scenario, run
from tests.command_line import Hil

from ..analysis.small_campaigns import small_campaign

RUN = (
    "schema: 1\nworkload: sha256\nframes: 100\nrig: {scheme: %s, board: inproc}\n"
    "upsets: {events: [{frame: 50, node: a, target: state, bit: 9}]}\n"
)


@pytest.fixture
def two(hil: Hil) -> Hil:
    """A run of one node that is wrong from frame 50 on, and one of three that are right for so long
    that they are shown to err less."""
    for scheme, frames in (("simplex", 100), ("tmr", 400)):
        hil.write(f"{scheme}.yaml", (RUN % scheme).replace("frames: 100", f"frames: {frames}"))
        hil("run", f"{scheme}.yaml", "--out", scheme, "--quiet")
    return hil


def test_two_runs_are_priced_and_the_price_of_a_wrong_answer_between_them(two: Hil) -> None:
    done = two("cost", "simplex", "tmr", "--draws", 200, "--json")
    assert done.code == 0, done.err
    simplex, tmr = done.json["runs"]
    assert (simplex["nodes"], tmr["nodes"]) == (1, 3)
    assert simplex["wrong_in_run"] == 50 and simplex["ends_wrong"] is True
    assert simplex["escaped_upsets"] == 1
    assert simplex["correct_per_s"] == pytest.approx(0.5 * tmr["correct_per_s"])
    assert tmr["wrong_in_run"] == 0 and tmr["ends_wrong"] is False
    (pair,) = done.json["pairs"]
    assert pair["fewer_wrong_shown"] is True and pair["dear"].endswith("(tmr)")
    low, middle, high = pair["wrong_answer_usd_5_50_95"]
    least, most = (pair[f"{end}_wrong_answer_usd_5_50_95"][1] for end in ("least", "most"))
    assert least < middle < most
    # At that price one wrong answer beside each right one makes up for what two more nodes cost.
    today = [run["per_million_correct"][0]["space_5_50_95_usd"][1] for run in (simplex, tmr)]
    assert low < middle < high
    assert middle == pytest.approx((today[1] - today[0]) / 1e6, rel=0.05)


def test_the_wrong_answers_of_a_run_that_never_ended_count(hil: Hil) -> None:
    class Dies(RunObserver):
        def on_frame(self, done: FramesDone) -> None:
            if done.next_frame >= 80:
                raise RuntimeError("the host is gone")

    scenario = parse_scenario(RUN % "simplex", file="simplex.yaml")
    with pytest.raises(RuntimeError, match="the host is gone"):
        run(scenario, out=hil.cwd / "cut", observers=[Dies()])
    priced = hil("cost", "cut", "--draws", 200, "--json").json["runs"][0]
    frames = open_run(hil.cwd / "cut").frames.rows
    assert priced["wrong_in_run"] == frames - 50 > 0
    assert priced["run"]["outcome"] == "error"
    # A process that is killed leaves the word that stands there from the beginning.
    with closing(sqlite3.connect(hil.cwd / "cut" / "run.db")) as db, db:
        db.execute("UPDATE meta SET value = 'running' WHERE key = 'outcome'")
    ending = hil("cost", "cut", "--draws", 100, "--json").json["runs"][0]["run"]
    assert (ending["ended"], ending["still_running"]) == (False, False)
    assert (ending["frames"], ending["planned_frames"]) == (frames, 100)


@pytest.mark.slow
def test_runs_without_wrong_answers_only_bound_the_price_of_one(hil: Hil) -> None:
    for scheme in ("simplex", "dmr"):
        hil.write(f"{scheme}.yaml", RUN.partition("upsets")[0] % scheme)
        hil("run", f"{scheme}.yaml", "--out", scheme, "--quiet")
    words = ("cost", "simplex", "dmr", "--draws", 200)
    (pair,) = hil(*words, "--json").json["pairs"]
    assert pair["fewer_wrong_shown"] is False and pair["dear"].endswith("(dmr)")
    assert pair["wrong_answer_usd_5_50_95"] is None
    assert pair["least_wrong_answer_usd_5_50_95"][1] > 0.0
    assert "The runs do not show that" in hil(*words).out


@pytest.mark.slow
def test_equal_runs_show_no_difference_and_are_told_apart(hil: Hil) -> None:
    hil.write("tmr.yaml", RUN.partition("upsets")[0] % "tmr")
    for out in ("first", "second"):
        hil("run", "tmr.yaml", "--out", out, "--quiet")
    words = ("cost", "first", "second", "--draws", 200)
    (pair,) = hil(*words, "--json").json["pairs"]
    assert pair["same_cost"] is True and pair["wrong_answer_usd_5_50_95"] is None
    assert pair["least_wrong_answer_usd_5_50_95"] == [0.0, 0.0, 0.0]
    text = " ".join(hil(*words).out.split())
    assert "No difference: tmr in second (tmr) costs the same as tmr in first (tmr)" in text
    assert "e+0" not in text and "e-0" not in text


@pytest.mark.slow
def test_a_rig_that_costs_more_and_errs_more_never_pays(two: Hil) -> None:
    """Of the single node's frames hardly any is right: each right one carries the whole cost."""
    two.write("bad.yaml", RUN.replace("frame: 50", "frame: 2") % "simplex")
    two("run", "bad.yaml", "--out", "bad", "--quiet")
    words = ("cost", "bad", "tmr", "--draws", 200)
    (pair,) = two(*words, "--json").json["pairs"]
    assert pair["wrong_answer_usd_5_50_95"] is None and pair["more_wrong_shown"] is True
    assert "costs less than bad (simplex), and has fewer wrong answers" in two(*words).out


@pytest.mark.slow
def test_what_a_user_states_replaces_what_is_shipped(two: Hil) -> None:
    two.write("mine.yaml", "usd_per_kwh: 0.5\n")
    words = ("cost", "tmr", "--draws", 200, "--json")
    usual = two(*words).json["runs"][0]
    dear = two(*words, "--price-file", "mine.yaml", "--price", "ground_pue=2").json["runs"][0]
    ground = [run["per_million_correct"][0]["ground_5_50_95_usd"][1] for run in (usual, dear)]
    assert ground[1] > ground[0]
    assert "usd_per_kwh" not in [name for name, *_ in dear["tornado"]]  # it is certain now
    hungry = two(*words, "--node-w", 50).json["runs"][0]
    assert hungry["power_w"] == 150.0


def test_tables_say_what_was_counted_and_what_decides(two: Hil) -> None:
    text = two("cost", "simplex", "tmr", "--draws", 200).out
    assert "50 in the run after 1 upset" in text
    assert "still at the end of the run" in text
    assert "FAILED: sdc_frames" in text and "passed; 400 frames" in text
    assert "orbit/ground depends on" in text
    assert "where a wrong answer costs more than" in text
    assert max(map(len, text.splitlines())) <= 100


def test_all_prices_are_listed_with_their_sources(hil: Hil) -> None:
    listed = hil("cost", "--prices").out
    assert "launch_usd_per_kg" in listed and "derived 2024-07-23: Llama 3" in listed
    price = hil("cost", "--prices", "--price", "discount_rate=0.1", "--json").json["discount_rate"]
    assert (price["low"], price["high"], price["source"]) == (0.1, 0.1, "the command line")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cost",), "the answers of which run?"),
        (("cost", "nowhere"), "nowhere is neither a run, nor the result of a campaign, nor a scen"),
        (("cost", "quickstrt"), "did you mean `quickstart`? Or name the folder of a run"),
        (("cost", "."), "that folder has no run.db"),
        (("cost", "x", "--price", "lunch=3"), "there is no price 'lunch'"),
        (("cost", "x", "--price-file", "none.yaml"), "there is no file none.yaml"),
        (("cost", "x", "--wrong-answer", "-1"), "--wrong-answer -1 is not a number from 0 on"),
        (("cost", "x", "--node-w", "nan"), "--node-w nan is not a number above 0"),
        (("cost", "x", "--node-w", "1e300"), "--node-w 1e+300 is above 1e+12"),
        (("cost", "x", "--wrong-answer", "1e300"), "--wrong-answer 1e+300 is above 1e+12"),
        (("cost", "quickstart", "--orbit", "saa-pass"), "--orbit is for results of campaigns, and"),
        (("cost", "x", "--duty", "1", "--orbit", "y"), "--orbit and --duty are for results of cam"),
        (("cost", "x", "--profile", "y"), "and x is none"),
    ],
)
def test_bad_words_get_a_message(hil: Hil, words: tuple[str, ...], said: str) -> None:
    done = hil(*words)
    assert done.code == 2 and said in done.err


def test_a_scenario_is_run_to_be_priced_and_says_so(two: Hil) -> None:
    done = two("cost", "tmr.yaml", "--draws", 200, "--json")
    assert done.code == 0, done.err
    assert "tmr: runs now to be priced, 400 frames on inproc boards" in done.err
    of_run = two("cost", "tmr", "--draws", 200, "--json").json["runs"]
    assert done.json["runs"] == of_run


def test_a_campaign_is_taken_to_an_orbit_with_its_own_rates(hil: Hil, tmp_path: Path) -> None:
    small_campaign(tmp_path / "a.campaign")
    words = ("a.campaign", "--orbit", "saa-pass", "--duty", "0.5", "--json")
    done = hil("cost", *words, "--node-w", 4, "--draws", 200)
    assert done.code == 0, done.err
    assert "nothing runs" in done.err
    (priced,) = done.json["runs"]
    silent = hil("compare", *words).json["orbit"]["sdc"]["per_day"]
    assert {k: v * 86_400 for k, v in priced["wrong_per_s"].items()} == pytest.approx(silent)
    assert priced["predicted"] == "an exact campaign of state, output"
    assert (priced["nodes"], priced["power_w"]) == (1, 4)
    refused = hil("cost", "a.campaign")
    assert refused.code == 2 and "in which orbit does it fly?" in refused.err


def test_what_the_ground_computes_is_priced_with_its_contacts(hil: Hil) -> None:
    hil.write(
        "g.yaml",
        "schema: 1\nworkload: sha256\nframes: 400\nframe_ms: 6000\n"
        "rig: {scheme: dmr, board: inproc}\n"
        "recovery: {rollbacks: 0, checkpoint_every: 0}\n"
        "plant:\n  orbit: {epoch_utc: 2026-03-20T00:00:00Z, altitude_km: 550.0, "
        "inclination_deg: 97.6, raan_deg: 85.0, mean_anomaly_deg: 40.0}\n"
        "  stations: [{name: svalbard, latitude_deg: 78.2, longitude_deg: 15.4}]\n"
        "offload:\n  downlink: &x {frequency_mhz: 2245, eirp_dbw: 0, g_over_t_db_k: 10}\n"
        "  uplink: *x\n  work: {}\n  reseed: {}\n"
        "upsets: {events: [{frame: 5, node: a, target: state, bit: 9}]}\nexpect: none\n",
    )
    hil("run", "g.yaml", "--out", "g", "--quiet")
    done = hil("cost", "g", "--draws", 200, "--json")
    assert done.code == 0, done.err
    (priced,) = done.json["runs"]
    metrics = json.loads(hil("replay", "g", "--summary", "--json").out)["metrics"]
    assert metrics["offload.reseeds"] == 1 and metrics["offload.rescued"] > 0
    flown_s = 400 * 6.0
    assert priced["rescued_per_s"] == pytest.approx(metrics["offload.rescued"] / flown_s)
    assert priced["contact_share"] == pytest.approx(metrics["offload.contact_s"] / flown_s)
    assert all(row["hybrid_5_50_95_usd"] for row in priced["per_million_correct"])
    assert "in all but" in hil("cost", "g", "--draws", 200).out

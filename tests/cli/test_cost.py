"""`hil cost`: from a recorded run to the price of its correct answers."""

import pytest

from hil.api import FramesDone, RunObserver, open_run, parse_scenario, run
from tests.command_line import Hil

RUN = (
    "schema: 1\nworkload: sha256\nframes: 100\nrig: {scheme: %s, board: inproc}\n"
    "upsets: {events: [{frame: 50, node: a, target: state, bit: 9}]}\n"
)


@pytest.fixture
def two(hil: Hil) -> Hil:
    """A run of one node that is wrong from frame 50 on, and one of three that are right."""
    for scheme in ("simplex", "tmr"):
        hil.write(f"{scheme}.yaml", RUN % scheme)
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
    assert priced["wrong_in_run"] == open_run(hil.cwd / "cut").frames.rows - 50 > 0


@pytest.mark.slow
def test_runs_without_wrong_answers_only_bound_the_price_of_one(hil: Hil) -> None:
    for scheme in ("simplex", "dmr"):
        hil.write(f"{scheme}.yaml", RUN.partition("upsets")[0] % scheme)
        hil("run", f"{scheme}.yaml", "--out", scheme, "--quiet")
    words = ("cost", "simplex", "dmr", "--draws", 200)
    (pair,) = hil(*words, "--json").json["pairs"]
    assert pair["fewer_wrong_shown"] is False and pair["dear"].endswith("(dmr)")
    assert "The runs do not show that" in hil(*words).out


@pytest.mark.slow
def test_a_rig_that_costs_more_and_errs_more_never_pays(two: Hil) -> None:
    """Of the single node's frames hardly any is right: each right one carries the whole cost."""
    two.write("bad.yaml", RUN.replace("frame: 50", "frame: 2") % "simplex")
    two("run", "bad.yaml", "--out", "bad", "--quiet")
    words = ("cost", "bad", "tmr", "--draws", 200)
    (pair,) = two(*words, "--json").json["pairs"]
    assert pair["wrong_answer_usd_5_50_95"] is None
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
    assert "What decides orbit/ground" in text
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
        (("cost", "nowhere"), "there is no run at nowhere"),
        (("cost", "x", "--price", "lunch=3"), "there is no price 'lunch'"),
        (("cost", "x", "--price-file", "none.yaml"), "there is no file none.yaml"),
        (("cost", "x", "--wrong-answer", "-1"), "--wrong-answer -1 is not a number from 0 on"),
        (("cost", "x", "--node-w", "nan"), "--node-w nan is not a number above 0"),
    ],
)
def test_bad_words_get_a_message(hil: Hil, words: tuple[str, ...], said: str) -> None:
    done = hil(*words)
    assert done.code == 2 and said in done.err

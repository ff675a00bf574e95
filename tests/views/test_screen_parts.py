"""The small pure parts: the player, times, letters, the map, sparks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hil.record.live import State
from hil.record.run_meta import RunMeta
from hil.record.timeline import Timeline
from hil.redundancy.recovery import NodeState
from hil.views.alarm_limits import Level
from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.facts import NodeFacts, Place, Scene, SceneRun
from hil.views.screen.model.playback import SPEEDS, Player
from hil.views.screen.model.time_input import frame_of
from hil.views.screen.pages.coastline import is_land
from hil.views.screen.pages.events import Filter, ListedEvents, events_page
from hil.views.screen.pages.large_letters import big
from hil.views.screen.pages.map import MapSky, world
from hil.views.screen.pages.node import state_machine
from hil.views.screen.pages.overview.banner import banner
from hil.views.screen.pages.overview.nodes import nodes_table
from hil.views.screen.pages.overview.orbit import orbit
from hil.views.screen.pages.style import Marks, fit, rule, spark

MARKS = Marks()
LAST, FRAME_US = 1000, 100_000


def test_following_shows_the_newest() -> None:
    assert Player().head(7, 99.0, FRAME_US) == 7
    assert Player().head(-1, 0.0, FRAME_US) == -1


def test_playing_goes_with_the_time() -> None:
    player = Player(False, True, 10.0, at=100, since_s=50.0)
    assert player.head(LAST, 50.0, FRAME_US) == 100
    assert player.head(LAST, 51.0, FRAME_US) == 200
    assert player.head(LAST, 5000.0, FRAME_US) == LAST


def test_pausing_stays_and_playing_goes_on_from_there() -> None:
    paused = Player(False, True, 1.0, at=0, since_s=0.0).pause(40, 4.0)
    assert paused.head(LAST, 1e6, FRAME_US) == 40
    on = paused.play(40, LAST, 10.0)
    assert on.head(LAST, 11.0, FRAME_US) == 50
    assert paused.play(LAST, LAST, 0.0).head(LAST, 0.0, FRAME_US) == 0


def test_another_speed_changes_what_comes_not_what_was() -> None:
    player = Player(False, True, 1.0, at=0, since_s=0.0)
    faster = player.faster(1, player.head(LAST, 10.0, FRAME_US), 10.0)
    assert faster.speed == SPEEDS[SPEEDS.index(1.0) + 1]
    assert faster.head(LAST, 10.0, FRAME_US) == 100
    assert player.faster(99, 0, 0.0).speed == SPEEDS[-1]
    assert player.faster(-99, 0, 0.0).speed == SPEEDS[0]


@pytest.mark.parametrize(("frame", "expected"), [(-5, 0), (17, 17), (10**9, LAST)])
def test_seeking_stays_within_the_run(frame: int, expected: int) -> None:
    assert Player().seek(frame, LAST, 0.0).head(LAST, 0.0, FRAME_US) == expected


def test_times_of_a_run_that_skipped() -> None:
    time = Timeline(100)
    time.skip(10, 5000)
    time.skip(20, 9000)
    assert [time.t_us(frame) for frame in (0, 9, 10, 19, 20, 25)] == [
        0,
        900,
        5000,
        5900,
        9000,
        9500,
    ]
    for frame in (0, 9, 10, 19, 20, 25):
        assert time.frame_at(time.t_us(frame)) == frame
    assert time.frame_at(3000) == 10  # it was skipped: the first one after


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("1234", 1234),
        ("1,234", 1234),
        ("12.5s", 125),
        ("1m", 600),
        ("1h30m", 54_000),
        ("2:00", 1200),
        ("1:00:00", 36_000),
        ("", None),
        ("soon", None),
        ("12 parsecs", None),
    ],
)
def test_where_to_go(text: str, frame: int | None) -> None:
    assert frame_of(text, Timeline(100_000)) == frame


def test_big_letters_are_three_lines_of_one_width() -> None:
    for word in (
        "HEALTHY",
        "DEGRADED",
        "FAILING",
        "ENDED",
        "STALE",
        "STOPPED",
        "WAITING",
        "LOST",
        "ALARM",
        "CAUTION",
        "STARTING",
    ):
        lines = big(word, ascii_only=False)
        assert len(lines) == 3 and max(map(len, lines)) <= 36
        assert all("█" in text or "▀" in text or "▄" in text for text in lines)
        assert word in big(word, ascii_only=True)[1]


@pytest.mark.parametrize(
    ("lat", "lon", "land"),
    [
        (48.2, 16.4, True),
        (-23.5, 133.0, True),
        (-15.0, -50.0, True),
        (-85.0, 0.0, True),
        (0.0, -150.0, False),
        (-30.0, -20.0, False),
        (35.0, -40.0, False),
        (0.0, 180.0, False),
        (90.0, 0.0, False),
        (-90.0, 179.99, True),
    ],
)
def test_land_is_where_it_is(lat: float, lon: float, land: bool) -> None:
    assert is_land(lat, lon) is land


def test_the_map_puts_things_where_they_are() -> None:
    here = Place(0, 0.0, 0.0)
    cells = frozenset({(k, -30) for k in range(-1, 3)})
    sky = MapSky((here, Place(1, 0.0, 90.0)), cells, ((42.0, -90.0, 1),))
    lines = [row.plain for row in world(sky, here, 0, 72, 28, MARKS)]
    assert {len(text) for text in lines} == {72}
    assert lines[14][36] == MARKS.here
    assert lines[14][54] == MARKS.none  # ahead
    assert lines[7][18] == MARKS.upset
    assert MARKS.saa in lines[13]


def test_sparks_reach_from_bottom_to_top() -> None:
    assert spark([0, 7, None, 3.5], MARKS, 0, 7) == "▁█ ▅"
    assert spark([5, 5], MARKS, 5, 5) == "▁▁"


@pytest.mark.parametrize("width", [30, 80, 140])
def test_rules_fill_the_line_exactly(width: int) -> None:
    assert rule("TITLE", width, MARKS, "right").cell_len == width - 1
    assert rule("TITLE", width, MARKS).cell_len == width - 1
    assert rule("T" * 200, width, MARKS, "x" * 200).cell_len <= width


def test_what_does_not_fit_leaves_a_mark() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("abcdef", 4, Marks(ascii_only=True)) == "a..."
    assert fit("abcd", 4) == "abcd"


@pytest.mark.parametrize("state", [state.value for state in NodeState])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_state_machine_lights_exactly_one_state(state: str, ascii_only: bool) -> None:
    rows = state_machine(state, 80, Marks(ascii_only=ascii_only))
    text = "\n".join(row.plain for row in rows)
    lit = [f"[{s.value.replace('_', ' ').upper()}]" for s in NodeState]
    assert [word for word in lit if word in text] == [f"[{state.replace('_', ' ').upper()}]"]
    assert max(row.cell_len for row in rows) <= 80
    assert not ascii_only or text.isascii()


def test_an_empty_scene_has_no_time() -> None:
    assert Scene(SceneRun()).t_us == 0


# --- the orbit on the overview --------------------------------------------------------------------


def flight(now_s: int, known_s: int, *, run_s: int = 0, **more: object) -> Scene:
    """At `now_s` of a run of `run_s`, whose orbit is known up to `known_s`: in protons, off
    Australia."""
    places = tuple(
        Place(t * 1_000_000, -48.0, 145.0, 600.0, 1.0, 70.0, True, "")
        for t in range(0, known_s + 1, 30)
    )
    run = SceneRun(frame_us=1_000_000, time=Timeline(1_000_000), frames=run_s, **more)  # type: ignore[arg-type]
    return Scene(run, head=now_s, last=now_s, places=places)


def test_the_strip_of_the_orbit_says_where_the_run_ends() -> None:
    ahead = [row.plain for row in orbit(flight(7200, 9000, run_s=9000), 80, 24, MARKS)]
    assert ahead[1].endswith("█ the run ends") and ahead[1].index("the run") < 60
    over = [row.plain for row in orbit(flight(9000, 9000, run_s=9000), 80, 24, MARKS)]
    assert over[1].endswith("│ the run ends")
    later = [row.plain for row in orbit(flight(600, 9000, run_s=90_000), 80, 24, MARKS)]
    assert "the run ends" not in later[1] and later[1].endswith("███")


def test_protons_of_the_sun_are_not_called_the_anomaly() -> None:
    assert "IN THE ANOMALY" in orbit(flight(600, 9000), 80, 24, MARKS)[0].plain
    title = orbit(flight(600, 9000, anomaly=frozenset({(-30, -45)})), 80, 24, MARKS)[0].plain
    assert "PROTONS OF THE SUN" in title and "ANOMALY" not in title
    here = frozenset({(-48, 144)})
    assert "IN THE ANOMALY" in orbit(flight(600, 9000, anomaly=here), 80, 24, MARKS)[0].plain


def test_cells_of_the_anomaly_that_are_none_are_left_out() -> None:
    told = [[-57, -51], [3], "x", [None, 4], [1, 2, 3], {}]
    assert RunMeta.parse({"anomaly": json.dumps(told)}).anomaly == ((-57, -51),)
    assert RunMeta.parse({"anomaly": "damaged"}).anomaly is None


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_scale_of_the_orbit_is_never_cut(width: int) -> None:
    storm = frozenset({(-30, -45)})
    title = orbit(flight(600, 600, run_s=600, anomaly=storm), width, 24, MARKS)[0].plain
    assert title.endswith(("1 min", "60 min", "1 min ahead", "60 min ahead")) and "…" not in title
    assert len(title) <= width


@pytest.mark.parametrize(
    ("age_s", "text"), [(4.38, "(4s)"), (72.0, "(72s)"), (720.0, "(12min)"), (66_420.0, "(18h)")]
)
def test_an_age_fits_its_column(age_s: float, text: str) -> None:
    node = NodeFacts(0, "a", heard_frame=100)
    scene = Scene(SceneRun(), State.RUNNING, head=100, last=100, nodes=(node,), age_s=age_s)
    assert nodes_table(scene, 80, MARKS, None)[1].plain.rstrip().endswith(text)


def test_a_reason_that_needs_two_lines_keeps_its_end() -> None:
    node = NodeFacts(
        0,
        "a",
        state="resync",
        heard_frame=7392,
        began_frame=7390,
        began_cause="dissent",
        upset="upset #2454 cpu register bit",
    )
    others = tuple(replace(node, index=k, name="abcdefg"[k]) for k in range(1, 5))
    rest = tuple(NodeFacts(k, "abcdefg"[k], heard_frame=7) for k in range(5, 7))
    run = SceneRun(frame_us=1_000_000, time=Timeline(1_000_000))
    scene = Scene(run, State.RUNNING, head=7392, last=7392, nodes=(node, *others, *rest), age_s=0.1)
    first, second, _ = (row.plain for row in banner(scene, (), 80, MARKS))
    assert "a resync, also b c d e: dissent" in first
    assert "bit; since 2:03:10.000" in second and "…" not in second


def test_an_alarm_at_80_columns_says_its_limit_and_what_the_value_is_now() -> None:
    alarm = Alarm(
        "soc", "", Level.WARN, Level.BAD, 10, "battery charge 0.6998 < 0.7", 0.8116, 0.6998, times=2
    )
    out = Alarm(
        "isolated", "g", Level.BAD, Level.BAD, 10, "g isolated: rebooted; nothing is left to try"
    )
    scene = Scene(SceneRun(), head=20, last=20)
    page = events_page(
        scene,
        [alarm, out],
        0,
        ListedEvents([], Filter(), 0, complete=True),
        width=80,
        height=23,
        marks=MARKS,
    )
    assert page[1].plain.endswith("battery charge 0.6998 < 0.7, now 0.8116 (x2)")
    assert page[2].plain.endswith("nothing is left to try")
    assert max(len(row.plain) for row in page) <= 80

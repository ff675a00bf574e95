"""Channels of board profiles: what was observed, its range, and profiles of schema 1."""

from __future__ import annotations

from typing import Any

import pytest

from hil import assets
from hil.board_types.catalogue import load_board_profile, parse_board_profile
from hil.board_types.channels import Channel, DataSet, Mode, Observed, Radiation, Unit
from hil.board_types.profile_upgrade import SCHEMA_1
from hil.board_types.spread import poisson_interval
from hil.errors import ConfigError

GOOD = (assets.boards_dir() / "raspberry-pi-4b.yaml").read_text(encoding="utf-8")


def cited(value: float, **more: float) -> dict[str, Any]:
    return {"value": value, "assumption": "made for this test", **more}


POINT: dict[str, Any] = {
    "name": "c",
    "observed": "silent",
    "part": "soc",
    "particle": "proton",
    "model": "point",
    "sigma_cm2": cited(1e-9),
    "at": cited(200.0),
    "threshold": cited(20.0),
}


def channel(**changes: Any) -> Channel:
    return Channel.model_validate({**POINT, **changes})


@pytest.mark.parametrize(
    ("events", "low", "high"),
    [
        (0, 0.0, 3.689),
        (1, 0.0253, 5.572),
        (2, 0.242, 7.225),
        (7, 2.814, 14.423),
        (10, 4.795, 18.390),
        (203, 176.03, 232.93),
    ],
)
def test_counted_events_have_the_tabulated_interval(events: int, low: float, high: float) -> None:
    """Garwood's exact interval, 95 %: the tables of Johnson and Kotz; 203 by the chi-square
    quantiles of scipy."""
    interval = poisson_interval(events)
    assert (interval.low, interval.best, interval.high) == pytest.approx(
        (low, events, high), rel=2e-3, abs=5e-5
    )


def test_a_count_gives_a_cross_section_its_range_where_none_is_stated() -> None:
    seen = channel(sigma_cm2=cited(1e-9), events=cited(10), fluence_per_cm2=cited(1e10)).sigma
    assert (seen.low, seen.best, seen.high) == pytest.approx((4.795e-10, 1e-9, 1.839e-9), rel=1e-3)
    none = channel(sigma_cm2=cited(0.0), events=cited(0), fluence_per_cm2=cited(1e10)).sigma
    assert (none.low, none.best, none.high) == pytest.approx((0.0, 0.0, 3.689e-10), rel=1e-3)
    stated = channel(
        sigma_cm2=cited(0.0, high=3e-10), events=cited(0), fluence_per_cm2=cited(1e10)
    ).sigma
    assert stated.high == 3e-10
    alone = channel().sigma
    assert (alone.low, alone.best, alone.high) == (1e-9, 1e-9, 1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"particle": "neutron"}, "no flux of neutrons is computed"),
        ({"mode": "hang"}, "has no mode `hang`; expected none"),
        ({"observed": "sefi", "mode": "latch_up"}, "expected one of hang, reboot, power_cycle"),
        ({"observed": "destructive"}, "what is destroyed"),
        ({"unit": "bit"}, "needs their number"),
        ({"bits": cited(8)}, "`bits` is for `unit: bit`"),
        ({"at": None}, "needs `at`"),
        ({"model": "plateau"}, "has no `at`"),
        ({"sigma_cm2": cited(0.0)}, "has no upper end"),
        ({"events": cited(3)}, "go together"),
        ({"events": cited(3.5), "fluence_per_cm2": cited(1e9)}, "not a whole number"),
        ({"depth_um": cited(2.0)}, "is for ions"),
        ({"observed": "sdc"}, "observed"),
    ],
)
def test_bad_channels(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        channel(**changes)


def test_silent_bits_need_to_know_the_rest_of_the_memory() -> None:
    bits = {**POINT, "unit": "bit", "bits": cited(1e9)}
    data = {"name": "d", "title": "t", "tested": "x", "channels": [bits]}
    with pytest.raises(ValueError, match="outside of the workload"):
        DataSet.model_validate(data)
    half = {"crash": cited(0.6), "hang": cited(0.6)}
    with pytest.raises(ValueError, match="more than 1"):
        DataSet.model_validate({**data, "os_memory": half})


def test_a_default_data_set_exists_and_none_always_does() -> None:
    fraction = {"mbu_fraction": cited(0.0)}
    assert Radiation.model_validate({"default": "none", **fraction}).data_set().channels == ()
    with pytest.raises(ValueError, match="there is no data set `beam`"):
        Radiation.model_validate({"default": "beam", **fraction})
    radiation = load_board_profile("jetson-xavier-nx").radiation
    assert radiation.names == ("cannon-2023", "rodriguez-2022", "none")
    assert radiation.data_set("rodriguez-2022").channels[0].observed is Observed.CORRECTED
    with pytest.raises(KeyError):
        radiation.data_set("elsewhere")


# --- profiles of schema 1 -------------------------------------------------------------------------

OLD_CHANNELS = """\
  channels:
    - name: chip
      effect: seu
      target: soc
      particle: {particle}
      model: plateau
      sigma_cm2: {{value: 2.0e-09, low: 1.0e-09, assumption: "as it was written then"}}
      threshold: {{value: 30, assumption: "as it was written then"}}
    - name: crash
      effect: crash
      target: soc
      particle: proton
      model: plateau
      sigma_cm2: {{value: 1.0e-09, assumption: "as it was written then"}}
      threshold: {{value: 30, assumption: "as it was written then"}}
    - name: bits
      effect: seu
      target: dram
      particle: proton
      model: plateau
      sigma_cm2: {{value: 1.0e-17, assumption: "as it was written then"}}
      threshold: {{value: 30, assumption: "as it was written then"}}
      bits: {{value: 34359738368, assumption: "as it was written then"}}
    - name: latch-up
      effect: sel
      target: board
      particle: heavy_ion
      model: plateau
      sigma_cm2: {{value: 1.0e-06, assumption: "as it was written then"}}
      threshold: {{value: 40, assumption: "as it was written then"}}
  mbu_fraction: {{value: 0.02, assumption: "as it was written then"}}
"""


def old_profile(particle: str = "proton") -> str:
    text = GOOD.replace("schema: 2", "schema: 1")
    return (
        text[: text.index("\nradiation:")]
        + "\nradiation:\n"
        + OLD_CHANNELS.format(particle=particle)
    )


def test_a_profile_of_schema_1_is_still_read() -> None:
    data = parse_board_profile(old_profile(), file="raspberry-pi-4b.yaml").radiation.data_set()
    assert data.name == SCHEMA_1
    chip, crash, bits, latch_up = data.channels
    assert (chip.observed, chip.unit, chip.sigma.low) == (Observed.SILENT, Unit.DEVICE, 1e-9)
    assert chip.multiple is not None and chip.multiple.value == 0.02
    assert (crash.observed, crash.mode) == (Observed.SEFI, Mode.REBOOT)
    assert (bits.unit, latch_up.mode) == (Unit.BIT, Mode.LATCH_UP)


def test_a_neutron_channel_is_refused_with_its_remedy_in_every_schema() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_board_profile(old_profile("neutron"), file="raspberry-pi-4b.yaml")
    (problem,) = caught.value.problems
    assert "no flux of neutrons" in problem.message and "particle: proton" in problem.remedy

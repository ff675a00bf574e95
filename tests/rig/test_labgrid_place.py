"""Places of labgrid, with a program in place of labgrid-client that says what that one says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hil.errors import ConfigError, SetupError
from hil.rig import labgrid_place
from hil.rig.labgrid_place import LabgridPlace, PlaceLock, own_name
from hil.rig.lock_file import LockInUse
from hil.rig.power import make
from hil.rig.reservation import BenchInUse, BenchReservation, uses_of, uses_of_power
from hil.scenario import parse_bench
from tests.virtual_clock import VirtualClock

CLIENT = """#!/bin/sh
# labgrid-client -p PLACE COMMAND...
cd "$(dirname "$0")"; echo "$@" >> orders
case "$3" in
show) echo "Place '$(cat name)':"; echo "  matches:"; echo "    exp/left/*"
      echo "  acquired: $(cat owner)"; echo "  created: 2026-11-29"; cat resources ;;
acquire) [ -e quicker ] && { mv quicker owner; echo "Error: already acquired" >&2; exit 1; }
         cp me owner ;;
release) echo None > owner ;;
power) [ "$4" = get ] && { echo "power for place $2 is $(cat power)"; exit; }; echo "$4" > power ;;
esac
"""
SERIAL = """\
Acquired resource 'NetworkSerialPort' (exp/left/NetworkSerialPort/NetworkSerialPort):
  {'acquired': 'left',
   'avail': True,
   'cls': 'NetworkSerialPort',
   'params': {'extra': {'proxy': 'lab', 'proxy_required': False},
              'host': '10.0.0.9',
              'port': 4001,
              'protocol': 'raw',
              'speed': 115200}}
"""
POWER = """\
Acquired resource 'NetworkPowerPort' (exp/left/NetworkPowerPort/NetworkPowerPort):
  {'acquired': 'left',
   'avail': True,
   'cls': 'NetworkPowerPort',
   'params': {'extra': {}, 'host': '10.0.0.7', 'index': '1', 'model': 'gude'}}
"""


class Lab:
    """What the coordinator knows, in files beside the program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "labgrid-client"
        self.program.write_text(CLIENT)
        self.program.chmod(0o755)
        self.set(name="left", owner="None", me=own_name(), resources=SERIAL + POWER, power="on")

    def set(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(text)

    @property
    def orders(self) -> list[str]:
        return [line.split(" ", 2)[2] for line in (self.folder / "orders").read_text().splitlines()]

    @property
    def owner(self) -> str:
        return (self.folder / "owner").read_text().strip()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab(tmp_path)
    monkeypatch.setattr(labgrid_place, "_program", lambda: str(made.program))
    monkeypatch.setenv("LG_COORDINATOR", tmp_path.name)  # the locks of other tests are others
    return made


def test_a_place_has_a_port_an_owner_and_power(lab: Lab) -> None:
    state = LabgridPlace("left").state()
    assert (state.owner, state.ports, state.port_count, state.has_power) == (
        "",
        ("socket://10.0.0.9:4001",),
        1,
        True,
    )
    lab.set(resources=SERIAL.replace("'raw'", "'rfc2217'").replace("10.0.0.9", "fe80::1"))
    state = LabgridPlace("left").state()
    assert (state.ports, state.has_power) == (("rfc2217://[fe80::1]:4001?ign_set_control",), False)


def test_a_place_is_acquired_and_released(lab: Lab) -> None:
    lock = PlaceLock("left")
    assert lab.owner == own_name()
    with pytest.raises(LockInUse, match=rf"pid {os.getpid()}, user "):
        PlaceLock("left")  # to labgrid, that would be the same user
    lock.release()
    assert lab.owner == "None"
    lock.release()
    assert lab.orders == ["show", "acquire", "release"]


def test_a_place_that_this_user_has_acquired_stays_acquired(lab: Lab) -> None:
    lab.set(owner=own_name())
    PlaceLock("left").release()
    assert lab.orders == ["show"]


def test_a_place_of_somebody_else_is_named_with_the_owner(lab: Lab) -> None:
    lab.set(owner="labhost/ann")
    (board,) = parse_bench("schema: 1\nboards: [{labgrid: left}]\n").boards
    bench = BenchReservation(uses_of(board))
    with pytest.raises(BenchInUse, match="labgrid place left of left is in use by ann on labhost"):
        bench.acquire()
    lab.set(owner="None", quicker="labhost/bob")
    with pytest.raises(BenchInUse, match="in use by bob on labhost"):
        bench.acquire()
    lab.set(owner="None")
    bench.acquire()
    assert lab.owner == own_name()
    bench.release()
    assert lab.owner == "None"


def test_a_port_is_waited_for_until_its_exporter_serves_it(lab: Lab) -> None:
    lab.set(owner=own_name(), resources=SERIAL.replace("4001", "None"))
    waits: list[int] = []

    def on_wait(now_us: int) -> None:
        waits.append(now_us)
        if len(waits) == 3:
            lab.set(resources=SERIAL)

    place = LabgridPlace("left", VirtualClock(on_wait))
    assert place.port() == place.port() == "socket://10.0.0.9:4001"
    assert lab.orders == ["show"] * 4
    place.forget_port()
    lab.set(resources=SERIAL.replace("True", "False"))
    with pytest.raises(SetupError, match="its exporter does not serve the serial port"):
        place.port()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"owner": "None"}, "it is acquired by nobody, not by"),
        ({"owner": "labhost/ann"}, "it is acquired by labhost/ann, not by"),
        ({"resources": POWER}, "it has 0 serial ports"),
        ({"resources": SERIAL * 2}, "it has 2 serial ports"),
        ({"resources": SERIAL.replace("{'acquired'", "?'acquired'")}, "is not understood"),
        ({"name": "left-2"}, "there is no place of that name"),
    ],
)
def test_what_keeps_a_place_from_being_used_is_said(
    lab: Lab, files: dict[str, str], message: str
) -> None:
    lab.set(**{"owner": own_name(), **files})
    with pytest.raises(SetupError, match=f"labgrid place left: .*{message}"):
        LabgridPlace("left").port()


def test_the_power_of_a_place_is_switched_by_labgrid(lab: Lab) -> None:
    supply = LabgridPlace("left").supply()
    assert supply is not None
    power = make("a", supply)
    power.check()
    power.off()
    assert power.gives_power() is False
    power.on()
    assert power.gives_power() is True
    lab.set(power="nonsense")
    with pytest.raises(SetupError, match="node a: labgrid place left: `power get` printed"):
        power.gives_power()
    lab.set(resources=SERIAL)
    assert LabgridPlace("left").supply() is None
    with pytest.raises(SetupError, match="nothing that switches power"):
        power.check()


def test_a_supply_that_is_a_place_is_reserved_as_that(lab: Lab) -> None:
    text = "{name: a, port: /dev/ttyS9, power: {kind: labgrid, place: left}}"
    (board,) = parse_bench(f"schema: 1\nboards: [{text}]\n").boards
    (use,) = uses_of_power(board)
    assert (use.kind, use.name) == ("labgrid", "left")


def test_a_client_that_fails_or_hangs_is_named(lab: Lab) -> None:
    lab.program.write_text("#!/bin/sh\necho 'Error: Could not connect to coordinator' >&2\nexit 1")
    with pytest.raises(SetupError, match=r"`labgrid-client show` failed: Error: Could not conn"):
        LabgridPlace("left").state()
    lab.program.write_text("#!/bin/sh\nsleep 60")
    with pytest.raises(SetupError, match=r"did not end within 0\.1 s"):
        LabgridPlace("left").call("show", timeout_s=0.1)
    lab.program.write_text("#!/bin/sh\necho nothing")
    with pytest.raises(SetupError, match="`labgrid-client show` printed 'nothing"):
        LabgridPlace("left").state()


def test_without_the_program_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="no program labgrid-client") as caught:
        LabgridPlace("left").state()
    assert "labgrid" in (caught.value.remedy or "")


# --- in a bench file ------------------------------------------------------------------------------


def problem(board: str) -> tuple[int, str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_bench(f"schema: 1\nboards:\n  - {{labgrid: left}}\n  - {{{board}}}\n", file="b.yaml")
    (found,) = caught.value.problems
    return found.line, found.path, str(found)


@pytest.mark.parametrize(
    ("board", "path", "what"),
    [
        ("labgrid: b, port: /dev/ttyS9", "$.boards[1].port", "both `labgrid:` and `port:`"),
        ("name: b, labgrid: left", "$.boards[1].labgrid", "is that of board left, too"),
        ("labgrid: Left-board", "$.boards[1].name", "is not a valid node name"),
        ("name: b, labgrid: a/b", "$.boards[1].labgrid", "is not a valid place name"),
        ("name: b, port: x, power: {kind: labgrid}", "$.boards[1].power.place", "is missing"),
    ],
)
def test_a_place_that_cannot_be_is_refused_where_it_stands(
    board: str, path: str, what: str
) -> None:
    line, place, text = problem(board)
    assert (line, place) == (4, path) and what in text


def test_the_name_of_a_place_is_that_of_its_board_without_another(lab: Lab) -> None:
    bench = parse_bench("schema: 1\nboards: [{labgrid: left}, {labgrid: Lab:R, name: b}]\n")
    assert [(b.name, b.labgrid, b.place) for b in bench.boards] == [
        ("left", "left", "labgrid place left"),
        ("b", "Lab:R", "labgrid place Lab:R"),
    ]

"""Supplies, plugs and programs that misbehave at their edges: each is refused or ended in time."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.board_types.supply_limits import SupplyRange, supply_range
from hil.errors import ConfigError, SetupError
from hil.rig.power import PowerMonitor, make
from hil.rig.power.mock import MockPower
from hil.rig.power.programs import run_group
from hil.rig.power.protocol import PowerReading
from hil.scenario import parse_bench
from hil.scenario.supply import SupplyConfig
from tests.waiting import wait_until

from .supplies.running import RunningSupply, running_supply

PI_4B = SupplyRange(4.75, 5.25, "Raspberry Pi 4B", "its data sheet")


def supply(**data: Any) -> SupplyConfig:
    return SupplyConfig.model_validate(data)


# --- limits before volts --------------------------------------------------------------------------


@pytest.fixture
def psu(tmp_path: Path) -> Iterator[RunningSupply]:
    pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")
    with running_supply(tmp_path, "--off") as running:
        yield running


def test_an_output_that_is_set_too_high_is_not_switched_on_for_a_board(psu: RunningSupply) -> None:
    """The bench file has no `voltage_v`: the supply gives what somebody has set it to."""
    with closing(psu.power("laptop", 1, voltage_v=19.0)) as laptop:
        laptop.on()
        laptop.off()
    switched = psu.reached(1, "OUTP")
    power = psu.power("pi", 1)
    power.stands = PI_4B
    with closing(power):
        for use in (power.check, power.on):
            with pytest.raises(SetupError, match=r"is set to 19 V; 19 V is outside the supply ran"):
                use()
        assert psu.reached(1, "OUTP") == switched


def test_an_output_that_is_set_right_is_switched_on_without_a_voltage_in_the_file(
    psu: RunningSupply,
) -> None:
    power = psu.power("pi", 1)
    power.stands = PI_4B
    with closing(power):
        power.check()
        power.on()
        assert power.gives_power() and psu.reached(1, "VOLT") == []


def test_the_range_of_a_profile_is_that_of_its_file() -> None:
    limits = supply_range("raspberry-pi-4b")
    assert limits is not None and limits.refusal(5.1) == ""
    assert "19 V is outside the supply range of a Raspberry Pi 4" in limits.refusal(19.0)
    assert supply_range(None) is None


# --- outputs whose voltage is all that shows their state ------------------------------------------

DECAYING = """
import socket, sys, time
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
print(listener.getsockname()[1], flush=True)
peer, _ = listener.accept()
changed, on = 0.0, False
for line in peer.makefile():
    if line.strip() in ("ON", "OFF"):
        on, changed = line.strip() == "ON", time.monotonic()
    else:  # the capacitors hold a tenth after half a second
        share = 10 ** (-2 * (time.monotonic() - changed))
        peer.sendall(b"%.3f\\n" % (5.0 * (1 - share if on else share)))
"""


def test_an_output_whose_capacitors_discharge_slowly_has_switched_off() -> None:
    pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")
    with subprocess.Popen(
        [sys.executable, "-c", DECAYING], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        place = f"TCPIP::127.0.0.1::{process.stdout.readline().strip()}::SOCKET"
        commands = {"on": "ON", "off": "OFF", "measure_volts": "V?"}
        with closing(
            make("a", supply(kind="template", resource=place, commands=commands))
        ) as power:
            power.on()
            assert power.gives_power()
            power.off()
            assert not power.gives_power()
        process.kill()


# --- answers without an end -----------------------------------------------------------------------


def test_an_instrument_that_sends_without_end_does_not_fill_the_memory() -> None:
    pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def flood() -> None:
            peer, _ = listener.accept()
            with peer, contextlib.suppress(OSError):
                while True:
                    peer.sendall(b"9" * 65_536)

        threading.Thread(target=flood, daemon=True).start()
        place = f"TCPIP::127.0.0.1::{listener.getsockname()[1]}::SOCKET"
        power = make("a", supply(kind="scpi", resource=place))
        with closing(power), pytest.raises(SetupError, match="more than 16 KiB without an end"):
            power.check()


def test_nonsense_that_is_another_each_time_is_reported_a_few_times_only() -> None:
    class Nonsense(MockPower):
        asked = 0

        def read(self) -> PowerReading:
            self.asked += 1
            raise self.failed(f"answered by {self.asked}", "look at it")

    power = Nonsense("a", supply(kind="mock"))
    monitor = PowerMonitor([power], period_s=0.001)
    monitor.start()
    wait_until(lambda: power.asked >= 20)
    monitor.close()
    events = monitor.take()
    assert 1 < len(events) < 10 and all("answered by" in e.error + e.note for e in events)


# --- plugs ----------------------------------------------------------------------------------------


@pytest.fixture
def plug() -> Iterator[Callable[[Callable[[socket.socket], None]], Any]]:
    """Makes a plug of a function that answers one connection as it likes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def started(answer: Callable[[socket.socket], None]) -> Any:
            def serve() -> None:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(4096)
                    answer(peer)

            threading.Thread(target=serve, daemon=True).start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            return make("a", supply(kind="http", plug="shelly1", url=url, timeout_s=0.5))

        yield started


def test_a_plug_that_answers_a_byte_at_a_time_is_given_up_in_its_time(plug: Any) -> None:
    ended = threading.Event()

    def trickle(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        while not ended.wait(0.05):
            peer.sendall(b" ")

    power = plug(trickle)
    with pytest.raises(SetupError, match=r"does not answer: no answer for 0\.5 s"):
        power.check()
    ended.set()
    power.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"login: ",
        b"\xff\xfd\x01\xff\xfb\x03\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 50_000,
        b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"",
    ],
)
def test_what_is_no_answer_of_a_plug_is_one_error(plug: Any, answer: bytes) -> None:
    power = plug(lambda peer: peer.sendall(answer))
    with pytest.raises(SetupError, match="does not answer as a plug"):
        power.check()
    power.close()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://10.0.0.7", "http://10.0.0.7:80/"),
        ("http://Plug-1.lab", "http://plug-1.lab"),
        ("https://plug-1.lab:443", "https://plug-1.lab"),
    ],
)
def test_two_names_of_one_outlet_are_one(one: str, other: str) -> None:
    boards = "".join(
        f'  - {{name: b{n}, port: /dev/x{n}, power: {{kind: http, plug: shelly1, url: "{url}"}}}}\n'
        for n, url in enumerate((one, other))
    )
    with pytest.raises(ConfigError, match="switching one switches the other"):
        parse_bench(f"boards:\n{boards}")


# --- programs -------------------------------------------------------------------------------------


def test_a_program_that_prints_without_end_does_not_fill_the_memory() -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(subprocess.TimeoutExpired):
        run_group(["yes"], 1.0)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert grown_kib < 20_000, "yes prints gigabytes in a second"


def test_a_gpioset_that_does_not_release_its_line_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "gpioset"
    text = """\
        #!/usr/bin/env python3
        import pathlib, signal, sys
        if "--version" in sys.argv: sys.exit(print("gpioset (libgpiod) v2.1"))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path(__file__).with_name("ignores").touch()
        signal.pause()
        """
    program.write_text(textwrap.dedent(text))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("hil.rig.power.programs._RELEASE_S", 0.1)
    power: Any = make("a", supply(kind="relay", line=17))
    power.on()
    holder = power._holder
    wait_until((tmp_path / "ignores").exists)
    power.close()
    assert holder.returncode == -signal.SIGKILL

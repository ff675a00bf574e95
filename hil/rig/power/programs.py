"""Power by programs: uhubctl for USB hubs, gpioset for relays, user commands for others."""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Final

from hil.clock import HOST
from hil.rig.power.protocol import Power, PowerReading
from hil.scenario.supply import SupplyConfig, SupplyKind

_NUMBER = r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
_READING = re.compile(rf"{_NUMBER}[ \t]*(m?V)?(?:,?\s+){_NUMBER}[ \t]*(m?A)?")
"""Volts and amperes, and nothing else: the meaning of longer output cannot be known. The decimal
separator is a point."""
_RELEASE_S: Final = 2.0
"""How long a gpioset may take to release its line when it is asked to."""
_CHUNK: Final = 65_536
_PRINTED_MAX: Final = 1 << 20


def program_power(name: str, supply: SupplyConfig) -> Power:
    """Return the instrument of the kind that the bench file names."""
    if supply.kind is SupplyKind.USBHUB:
        return HubPower(name, supply)
    if supply.kind is SupplyKind.RELAY:
        return RelayPower(name, supply)
    return CommandPower(name, supply)


class ProgramPower(Power):
    """Switches power by running programs; errors contain the output of a program that failed."""

    install = "is it installed, and on the PATH?"

    programs: Sequence[str] = ()
    """The programs that it runs."""

    def check(self) -> None:
        for program in self.programs:
            if shutil.which(program) is None:
                raise self.failed(f"there is no program {program}", self.install)

    def run(self, words: Sequence[str]) -> str:
        """Run a program and return what it printed. Raises: SetupError if it is missing, fails, or
        does not end within the supply's `timeout_s`."""
        shown = shlex.join(words)
        with self.lock:
            try:
                done = run_group(words, self.supply.timeout_s)
            except FileNotFoundError:
                raise self.failed(f"there is no program {words[0]}", self.install) from None
            except OSError as error:
                raise self.failed(f"`{shown}`: {error.strerror}", self.install) from error
            except subprocess.TimeoutExpired:
                raise self.failed(
                    f"`{shown}` did not end within {self.supply.timeout_s:g} s",
                    "try it in a terminal; raise `timeout_s` in the bench file if it is that slow",
                ) from None
        if done.returncode != 0:
            output = done.stderr.strip() or done.stdout.strip() or "it printed nothing"
            raise self.failed(
                f"`{shown}` ended with code {done.returncode}: {output.splitlines()[0]}",
                "try it in a terminal",
            )
        return done.stdout


def run_group(words: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a program for at most `timeout_s` [s] and return what it printed, at most a mebibyte of
    each stream; at its timeout end it with all that it has started, so that none of them switches a
    board later.

    Raises: OSError, TimeoutExpired."""
    with subprocess.Popen(
        list(words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = _printed(process, timeout_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


def _printed(process: subprocess.Popen[bytes], timeout_s: float) -> list[str]:
    """Wait for the end of a program, and return the beginning of what it printed on stdout and
    stderr; the rest is read and dropped, so that it cannot fill the memory.

    Raises: TimeoutExpired."""
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    printed = {stream.fileno(): bytearray() for stream in streams}
    end_us = HOST.now_us() + timeout_s * 1e6
    with selectors.DefaultSelector() as open_streams:
        for stream in streams:
            open_streams.register(stream, selectors.EVENT_READ)
        while open_streams.get_map():
            left_s = (end_us - HOST.now_us()) / 1e6
            if left_s <= 0:
                raise subprocess.TimeoutExpired(process.args, timeout_s)
            for key, _ in open_streams.select(left_s):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    open_streams.unregister(key.fileobj)
                room = _PRINTED_MAX - len(printed[key.fd])
                printed[key.fd] += data[:room]
    process.wait(max(0.0, (end_us - HOST.now_us()) / 1e6))
    return [raw.decode(errors="replace").replace("\r\n", "\n") for raw in printed.values()]


class HubPower(ProgramPower):
    """A port of a USB hub with per-port power switching (uhubctl lists the hubs that have it)."""

    install = "install it (`sudo apt-get install uhubctl`)"
    programs = ("uhubctl",)

    @property
    def title(self) -> str:
        return f"USB hub {self.supply.hub} port {self.supply.port}"

    def _switch(self, action: str) -> None:
        hub, port = str(self.supply.hub), str(self.supply.port)
        out = self.run(["uhubctl", "-l", hub, "-p", port, "-a", action])
        after = [line for line in out.splitlines() if line.strip().startswith(f"Port {port}:")]
        # uhubctl ends with 0 for a hub that accepts the request and does not switch; the last state
        # that it prints is the actual one.
        if after and ("power" in after[-1].split(":", 1)[1].split()) != (action == "on"):
            raise self.failed(
                f"uhubctl says `{after[-1].strip()}` after it was switched {action}",
                "use a hub that uhubctl lists as switching its ports",
            )

    def on(self) -> None:
        self._switch("on")

    def off(self) -> None:
        self._switch("off")


class RelayPower(ProgramPower):
    """A relay on a GPIO line of this computer. libgpiod drives a line only while a process has it
    open, so a gpioset process keeps running to hold the present state.

    When it is closed at the end of a run, that process ends and the line becomes an input: the
    relay falls off, whatever it was set to. A board on its normally closed contact keeps its power
    then, one on the normally open contact loses it."""

    install = "install libgpiod's tools (`sudo apt-get install gpiod`)"
    programs = ("gpioset",)

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        super().__init__(node, supply)
        self._holder: subprocess.Popen[bytes] | None = None

    @property
    def title(self) -> str:
        return f"relay at {self.supply.chip} line {self.supply.line}"

    @property
    def keeps_its_state(self) -> bool:
        """Return whether the relay keeps its state while no program drives it."""
        return False

    def _set(self, *, on: bool) -> None:
        level = int(on != self.supply.active_low)
        program = shutil.which("gpioset")
        if program is None:
            raise self.failed("there is no program gpioset", self.install)
        chip, line = self.supply.chip, f"{self.supply.line}={level}"
        first_line = self.run([program, "--version"]).partition("\n")[0]
        new_tools = "v2" in first_line
        words = ["-c", chip, line] if new_tools else ["--mode=signal", chip, line]
        with self.lock:
            self._release_line()
            self._holder = subprocess.Popen(
                [program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                self._holder.wait(0.2)
            except subprocess.TimeoutExpired:
                return  # it holds the line
            assert self._holder.stderr is not None
            stderr = self._holder.stderr.read().decode(errors="replace").strip()
            self._release_line()
        raise self.failed(
            f"gpioset ended: {stderr or 'it printed nothing'}",
            "look at `gpioinfo`; may this user open the chip (group gpio)?",
        )

    def _release_line(self) -> None:
        if self._holder is None:
            return
        if self._holder.poll() is None:
            self._holder.send_signal(signal.SIGTERM)
        try:
            self._holder.wait(_RELEASE_S)
        except subprocess.TimeoutExpired:
            self._holder.kill()  # a line that two processes hold cannot be set
            self._holder.wait()
        if self._holder.stderr is not None:
            self._holder.stderr.close()
        self._holder = None

    def on(self) -> None:
        self._set(on=True)

    def off(self) -> None:
        self._set(on=False)

    def close(self) -> None:
        super().close()
        with self.lock:
            self._release_line()


class CommandPower(ProgramPower):
    """User commands: smart plugs, switched sockets, anything with a command line."""

    @property
    def title(self) -> str:
        return "power by command"

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        super().__init__(node, supply)
        self.programs = [words[0] for words in (supply.on, supply.off, supply.read) if words]

    def on(self) -> None:
        self.run(self.supply.on or ())

    def off(self) -> None:
        self.run(self.supply.off or ())

    def read(self) -> PowerReading:
        if self.supply.read is None:
            return PowerReading(None, None)
        output = self.run(self.supply.read).strip()
        match = _READING.fullmatch(output)
        # A number with an exponent may be too large for a float, which then holds infinity.
        if match is None or not all(math.isfinite(float(n)) for n in match.group(1, 3)):
            raise self.failed(
                f"`{shlex.join(self.supply.read)}` printed {output[:60]!r}; "
                "expected volts and amperes, and nothing else, as in `5.02 0.61`",
                "let it print two numbers with a decimal point; V or mV may stand behind the "
                "first, A or mA behind the second",
            )
        volts, volt_unit, amps, amp_unit = match.groups()
        return PowerReading(
            float(volts) / (1000 if volt_unit == "mV" else 1),
            float(amps) / (1000 if amp_unit == "mA" else 1),
        )

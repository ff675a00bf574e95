"""A simulated bench supply with three outputs, a process of its own: `python bench_supply.py --port
N --log FILE --orders FILE`.

On a raw socket of 127.0.0.1, or with `--pty LINK` on a terminal. The selected output (INST:NSEL) is
state of the instrument, as in a Keysight E3631A or Rigol DP832. The log has every command with the
output that it reached. Lines of the file of orders are carried out once: `latch 2`, `load 1 1.4`,
`peak 1 0.01` (the limit for 10 ms), `trip 3`, `wrong 1` (measurements are nonsense), `nan 1`,
`hang 10` (seconds), `slow 0.2`.

With `--feeds NAME,NAME,NAME` each output feeds a board, an agent behind the terminal that the link
NAME leads to; `stuck 1`: the output reports off and stays on, `backfed 2`: the board of output 2
has another feed, too; `fragile 3`: that of output 3 does not survive to be switched off.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import re
import signal
import socket
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fed_board import FedBoard

NO_ERROR = '+0,"No error"'
UNKNOWN = '-113,"Undefined header"'


class Out:
    def __init__(self, number: int) -> None:
        self.number = number
        self.volts, self.amps = 5.1, 3.0
        self.on = True
        self.latched = False
        self.load = 0.6
        self.peak_until = 0.0
        self.ovp, self.ocp, self.delay = 33.0, False, 0.0
        self.stuck = self.backfed = self.fragile = self.broken = False

    @property
    def gives(self) -> bool:
        return self.on or self.stuck

    @property
    def feeds(self) -> bool:
        return (self.gives or self.backfed) and not self.broken

    def drawn(self) -> float:
        if not self.gives:
            return 0.0
        if self.latched or time.monotonic() < self.peak_until:
            return self.amps
        return self.load


class Supply:
    """The instrument itself: `answer` carries out one command of its dialect."""

    def __init__(self, dialect: str, log: Path, idn: str) -> None:
        self.outs = [Out(number) for number in (1, 2, 3)]
        self.dialect, self.idn = dialect, idn
        self.selected = 1
        self.errors: list[str] = []
        self.wrong = self.nan = False
        self.hang_until = 0.0
        self.slow_s = 0.0
        self.log = log.open("w", buffering=1)
        self.commands = {
            "scpi": self.scpi,
            "no-nsel-query": self.scpi,
            "single": self.scpi,
            "keysight": self.keysight,
            "rigol": self.rigol,
            "siglent": self.siglent,
            "tti": self.tti,
            "korad": self.korad,
        }[dialect]

    def note(self, *words: object) -> None:
        print(f"{time.monotonic():.4f}", *words, file=self.log)

    def answer(self, command: str, connection: int) -> str | bytes | None:
        command = command.strip()
        if command.upper() == "*IDN?":
            return self.idn
        self.connection = connection
        return self.commands(command.upper().lstrip(":"))

    # --- what all dialects do ---------------------------------------------------------------------

    def set_volts(self, out: Out, volts: str) -> None:
        out.volts = float(volts)
        self.note("VOLT", out.number, out.volts, "by", self.connection)

    def set_amps(self, out: Out, amps: str) -> None:
        out.amps = float(amps)
        self.note("CURR", out.number, out.amps, "by", self.connection)

    def switch(self, out: Out, on: bool) -> None:
        out.on = on
        out.latched &= on
        out.broken |= out.fragile and not on
        self.note("OUTP", out.number, "ON" if on else "OFF", "by", self.connection)

    def measured(self, value: float, form: str = "{:.4f}") -> str:
        if self.wrong:
            return "ERROR"
        return "9.91E37" if self.nan else form.format(value)

    def error(self) -> str:
        return self.errors.pop(0) if self.errors else NO_ERROR

    # --- dialects ---------------------------------------------------------------------------------

    def scpi(self, u: str) -> str | None:
        out = self.outs[self.selected - 1]
        if u.startswith("INST:NSEL") and self.dialect == "single":
            self.errors.append(UNKNOWN)
            return None
        if u == "INST:NSEL?" and self.dialect == "scpi":
            return str(self.selected)
        if match := re.fullmatch(r"INST:NSEL ([123])", u):
            self.selected = int(match[1])
            return None
        if match := re.fullmatch(r"(VOLT|CURR) ([\d.]+)", u):
            (self.set_volts if match[1] == "VOLT" else self.set_amps)(out, match[2])
            return None
        if u in ("OUTP ON", "OUTP OFF"):
            self.switch(out, u == "OUTP ON")
            return None
        answers: dict[str, Callable[[], str]] = {
            "VOLT?": lambda: f"{out.volts:.4f}",
            "CURR?": lambda: f"{out.amps:.4f}",
            "OUTP?": lambda: str(int(out.on)),
            "MEAS:VOLT?": lambda: self.measured(out.volts if out.gives else 0.0),
            "MEAS:CURR?": lambda: self.measured(out.drawn()),
            "SYST:ERR?": self.error,
        }
        if u in answers:
            return answers[u]()
        self.errors.append(UNKNOWN)
        return None

    def keysight(self, u: str) -> str | None:  # noqa: PLR0912 (a command each)
        if u == "SYST:ERR?":
            return self.error()
        match = re.fullmatch(r"([A-Z:]+\??) ?([\w.]+)?,?\(@([123])\)", u)
        if match is None:
            self.errors.append(UNKNOWN)
            return None
        out = self.outs[int(match[3]) - 1]
        match match[1]:
            case "VOLT":
                self.set_volts(out, match[2])
            case "CURR":
                self.set_amps(out, match[2])
            case "OUTP":
                self.switch(out, match[2] == "ON")
            case "VOLT:PROT":
                out.ovp = float(match[2])
                self.note("OVP", out.number, out.ovp)
            case "CURR:PROT:STAT":
                out.ocp = match[2] == "ON"
                self.note("OCP", out.number, match[2])
            case "CURR:PROT:DEL":
                out.delay = float(match[2])
                self.note("DELAY", out.number, out.delay)
            case "OUTP:PROT:CLE":
                pass
            case "VOLT?":
                return f"{out.volts:+.8E}"
            case "CURR?":
                return f"{out.amps:+.8E}"
            case "OUTP?":
                return str(int(out.on))
            case "MEAS:VOLT?":
                return self.measured(out.volts if out.on else 0.0, "{:+.8E}")
            case "MEAS:CURR?":
                return self.measured(out.drawn(), "{:+.8E}")
            case _:
                self.errors.append(UNKNOWN)
        return None

    def rigol(self, u: str) -> str | None:
        if u == "SYST:ERR?":
            return self.error()
        if match := re.fullmatch(r"OUTP CH([123]),(ON|OFF)", u):
            self.switch(self.outs[int(match[1]) - 1], match[2] == "ON")
        elif match := re.fullmatch(r"OUTP\? CH([123])", u):
            return "ON" if self.outs[int(match[1]) - 1].on else "OFF"
        elif match := re.fullmatch(r"SOUR([123]):(VOLT|CURR) ([\d.]+)", u):
            out = self.outs[int(match[1]) - 1]
            (self.set_volts if match[2] == "VOLT" else self.set_amps)(out, match[3])
        elif match := re.fullmatch(r"SOUR([123]):(VOLT|CURR)\?", u):
            out = self.outs[int(match[1]) - 1]
            return f"{out.volts if match[2] == 'VOLT' else out.amps:.3f}"
        elif match := re.fullmatch(r"MEAS:(VOLT|CURR)\? CH([123])", u):
            out = self.outs[int(match[2]) - 1]
            return self.measured(
                (out.volts if out.on else 0.0) if match[1] == "VOLT" else out.drawn()
            )
        elif match := re.fullmatch(r"SOUR([123]):VOLT:PROT ([\d.]+)", u):
            self.note("OVP", match[1], match[2])
        elif not re.fullmatch(
            r"SOUR\d:(VOLT|CURR):PROT(:STAT ON| [\d.]+)|OUTP:O[VC]P:CLEAR CH\d", u
        ):
            self.errors.append(UNKNOWN)
        return None

    def siglent(self, u: str) -> str | None:
        if u == "SYST:ERR?":
            return self.errors.pop(0) if self.errors else "0  No Error"
        if u == "SYST:STAT?":
            return hex(sum(0x10 << i for i, out in enumerate(self.outs[:2]) if out.on) | 0x05)
        if match := re.fullmatch(r"OUTP CH([12]),(ON|OFF)", u):
            self.switch(self.outs[int(match[1]) - 1], match[2] == "ON")
        elif match := re.fullmatch(r"CH([12]):(VOLT|CURR) ([\d.]+)", u):
            out = self.outs[int(match[1]) - 1]
            (self.set_volts if match[2] == "VOLT" else self.set_amps)(out, match[3])
        elif match := re.fullmatch(r"CH([12]):(VOLT|CURR)\?", u):
            out = self.outs[int(match[1]) - 1]
            return f"{out.volts if match[2] == 'VOLT' else out.amps:.3f}"
        elif match := re.fullmatch(r"MEAS:(VOLT|CURR)\? CH([12])", u):
            out = self.outs[int(match[2]) - 1]
            volts = out.volts if out.on else 0.0
            return self.measured(volts if match[1] == "VOLT" else out.drawn(), "{:.3f}")
        else:
            self.errors.append("-100  Command Error")
        return None

    def tti(self, u: str) -> str | None:
        if u == "EER?":
            return self.errors.pop(0) if self.errors else "0"
        match = re.fullmatch(r"(V|I|OP|OVP|OCP)([123])(O\?|\?| [\d.]+)", u)
        if match is None:
            self.errors.append("100")
            return None
        out, rest = self.outs[int(match[2]) - 1], match[3]
        match match[1], rest:
            case "V", "?":
                return f"V{out.number} {out.volts:.3f}"
            case "I", "?":
                return f"I{out.number} {out.amps:.3f}"
            case "V", "O?":
                return self.measured(out.volts if out.on else 0.0, "{:.3f}V")
            case "I", "O?":
                return self.measured(out.drawn(), "{:.3f}A")
            case "OP", "?":
                return str(int(out.on))
            case "V", _:
                self.set_volts(out, rest)
            case "I", _:
                self.set_amps(out, rest)
            case "OP", _:
                self.switch(out, rest.strip() == "1")
            case "OVP", _:
                self.note("OVP", out.number, rest)
        return None

    def korad(self, u: str) -> str | bytes | None:
        out = self.outs[0]
        if u in ("OUT0", "OUT1"):
            self.switch(out, u == "OUT1")
        elif match := re.fullmatch(r"(VSET|ISET)1:([\d.]+)", u):
            (self.set_volts if match[1] == "VSET" else self.set_amps)(out, match[2])
        elif u == "STATUS?":
            return bytes([0x11 | (0x40 if out.on else 0)])
        elif u in ("VSET1?", "VOUT1?"):
            return f"{out.volts if u == 'VSET1?' or out.on else 0.0:05.2f}"
        elif u in ("ISET1?", "IOUT1?"):
            # Firmware 2.0 sends a byte too many: the first of its identity.
            extra = self.idn[0] if u == "ISET1?" and self.idn.endswith("V2.0") else ""
            return f"{out.amps if u == 'ISET1?' else out.drawn():05.3f}{extra}"
        return None


def obey(supply: Supply, orders: Path) -> None:
    while True:
        time.sleep(0.01)
        if not orders.exists():
            continue
        for line in orders.read_text().splitlines():
            word, *rest = line.split()
            supply.note("ORDER", line)
            if word in ("latch", "trip", "load", "peak", "stuck", "backfed", "fragile"):
                out = supply.outs[int(rest[0]) - 1]
                out.latched |= word == "latch"
                out.on &= word != "trip"
                out.stuck |= word == "stuck"
                out.backfed |= word == "backfed"
                out.fragile |= word == "fragile"
                if word == "load":
                    out.load = float(rest[1])
                if word == "peak":
                    out.peak_until = time.monotonic() + float(rest[1])
            elif word == "hang":
                supply.hang_until = time.monotonic() + float(rest[0])
            elif word == "slow":
                supply.slow_s = float(rest[0])
            else:
                setattr(supply, word, rest[0] == "1")
        orders.unlink()  # only now: whoever gave them waits until they are carried out


def serve(
    supply: Supply, read: Callable[[], bytes], write: Callable[[bytes], Any], who: int
) -> None:
    """Carry out what is read until nothing more comes. Korad's commands have no terminator: they
    end with a pause, so that each read is one."""
    ends = supply.dialect != "korad"
    waiting = b""
    supply.note("connection", who)
    with contextlib.suppress(OSError):
        while data := read():
            waiting += data
            while waiting and (b"\n" in waiting or not ends):
                line, _, waiting = waiting.partition(b"\n") if ends else (waiting, b"", b"")
                while time.monotonic() < supply.hang_until:
                    time.sleep(0.01)
                time.sleep(supply.slow_s)
                said = supply.answer(line.decode(errors="replace"), who)
                if isinstance(said, bytes):
                    write(said)
                elif said is not None:
                    end = {"korad": "", "tti": "\r\n"}.get(supply.dialect, "\n")
                    write((said + end).encode())
    supply.note("gone", who)


def on_socket(supply: Supply, port: int, single: bool) -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(0 if single else 8)
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    for who in range(1, 1 << 30):
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def one(peer: socket.socket = peer, who: int = who) -> None:
            with peer:
                serve(supply, lambda: peer.recv(4096), peer.sendall, who)

        if single:
            one()
        else:
            threading.Thread(target=one, daemon=True).start()


def on_pty(supply: Supply, link: Path) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    link.symlink_to(os.ttyname(slave))
    print(link, flush=True)  # noqa: T201
    while True:
        serve(supply, lambda: os.read(master, 4096), lambda data: os.write(master, data), 1)
        time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pty", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--dialect", default="scpi")
    parser.add_argument("--idn", default="ACME,TRIPLE3000,0,1.0")
    parser.add_argument("--single-client", action="store_true")
    parser.add_argument("--off", action="store_true")
    parser.add_argument("--feeds", default="")
    parser.add_argument("--agent", default="hil-agent")
    parser.add_argument("--boot", type=float, default=0.0)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    supply = Supply(args.dialect, args.log, args.idn)
    for out in supply.outs:
        out.on = not args.off
    threading.Thread(target=obey, args=(supply, args.orders), daemon=True).start()
    for out, link in zip(supply.outs, filter(None, args.feeds.split(",")), strict=False):
        board = FedBoard(Path(link), args.agent, args.boot)
        threading.Thread(target=board.run, args=(out,), daemon=True).start()
    if args.pty is not None:
        on_pty(supply, args.pty)
    else:
        on_socket(supply, args.port, args.single_client)


if __name__ == "__main__":
    main()

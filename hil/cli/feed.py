"""`hil feed`: a run for other programs, while it goes on."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the record)

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, say
from hil.cli.record import must_be_run, opened
from hil.errors import RecordError, UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.export.ccsds_feed import PacketFeed
    from hil.export.prometheus_feed import PrometheusFeed
    from hil.json_values import JsonValue
    from hil.record.live import LiveRecord

__all__ = ["HELP", "feed"]

HELP: Final = (
    "Feed a run, while it goes on or afterwards, to other programs: Prometheus and Grafana, or as "
    "CCSDS space packets over TCP to Yamcs and OpenC3.\n\n"
    "It reads the record, in a process of its own with a low priority: it never slows or ends "
    "the run. Ports are open to this computer only, unless an address says otherwise. Ctrl-C "
    "ends it."
)

_LOOPBACK: Final = "127.0.0.1"
_LOOK_S: Final = 0.2
_DAMAGED_LOOKS: Final = 5
"""[looks, one after the other] A record that cannot be read for so long is damaged, not busy."""
_NICE: Final = 10


class _Address(NamedTuple):
    host: str
    port: int

    @property
    def is_local(self) -> bool:
        return self.host in {_LOOPBACK, "::1", "localhost"}


def feed(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]",
            help="Folder of a run; default: the newest.",
            autocompletion=completion.runs,
        ),
    ] = None,
    prometheus: Annotated[
        str, typer.Option(metavar="[HOST:]PORT", help="Serve /metrics there, 0: a free port.")
    ] = "",
    ccsds: Annotated[
        str, typer.Option(metavar="[HOST:]PORT", help="Serve space packets there over TCP.")
    ] = "",
    files: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write dashboard, layout and packet definitions into a folder.",
        ),
    ] = None,
    until_end: Annotated[
        bool,
        typer.Option("--until-end", help="End with the run, when a client has all packets."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Feed a run to other programs (see `HELP`)."""
    where = {
        name: _address(text, f"--{name}")
        for name, text in (("prometheus", prometheus), ("ccsds", ccsds))
        if text
    }
    if not where and files is None:
        raise UsageError(
            "nothing to do", remedy="--prometheus PORT, --ccsds PORT, --files DIR, or several"
        )
    report: dict[str, JsonValue] = {}
    if files is not None:
        from hil.export.feed_files import FEED_FILES, write_feed_files

        report["files"] = [str(path) for path in write_feed_files(files)]
        if not as_json:
            say(f"written to {files}: {', '.join(FEED_FILES)}")
    if not where:
        if as_json:
            answer(report)
        return Exit.PASS
    chosen = _chosen(run)
    _give_way()
    with contextlib.suppress(KeyboardInterrupt):  # the usual end of a feed
        _feed_it(chosen, where, report, as_json=as_json, until_end=until_end)
    return Exit.PASS


def _feed_it(
    run: Path,
    where: dict[str, _Address],
    report: dict[str, JsonValue],
    *,
    as_json: bool,
    until_end: bool,
) -> None:
    """Open the feeds of a run, say where they are, and wait for their end."""
    from hil.record.live import LiveRecord

    with _feeds(run, where, until_end=until_end) as feeds, closing(LiveRecord(run)) as record:
        record.poll()
        if as_json:
            answer({"run": str(run), **report, **{each.name: each.where for each in feeds}})
        else:
            for each in feeds:
                say(f"{each.name}: {each.url}")
        for each in feeds:
            if not each.address.is_local:
                say(f"warning: anybody who reaches {each.where} can read the run there")
        _serve(record, feeds, until_end=until_end)


def _give_way() -> None:
    """Take a low priority, at which nothing of this process interrupts what has a higher one."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _address(text: str, option: str) -> _Address:
    """Return host and port of `PORT` or `HOST:PORT`. Raises: UsageError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or _LOOPBACK
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UsageError(f"{option} {text}: `{port}` is not a valid port", remedy=f"{option} 9464")
    return _Address(host, int(port))


def _chosen(run: Path | None) -> Path:
    """Return the run to feed; one that has not begun is waited for. Raises: UsageError if there is
    none; RecordError if its record cannot be read."""
    from hil.record.live import newest_run
    from hil.record.run_lock import is_running

    chosen = run or newest_run()
    if chosen is None:
        raise UsageError("there is no run in runs/", remedy="hil run quickstart, or name a folder")
    record = chosen / "run.db" if chosen.is_dir() else chosen
    if record.exists() and not is_running(record.parent):
        with opened(chosen):
            pass  # it can be read
    elif not chosen.is_dir():
        must_be_run(chosen)
    return chosen


class _Feed(NamedTuple):
    name: str
    address: _Address
    port: int
    server: PrometheusFeed | PacketFeed

    @property
    def where(self) -> str:
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        is_http = self.name == "prometheus"
        return f"http://{self.where}/metrics" if is_http else f"tcp://{self.where}"


@contextlib.contextmanager
def _feeds(run: Path, where: dict[str, _Address], *, until_end: bool) -> Iterator[list[_Feed]]:
    """Open the feeds of a run, and close them in the end."""
    from hil.export.ccsds_feed import PacketFeed
    from hil.export.prometheus_feed import PrometheusFeed

    with contextlib.ExitStack() as stack:
        feeds = []
        for name, address in where.items():
            server: PrometheusFeed | PacketFeed
            if name == "prometheus":
                server = PrometheusFeed(run, address.host, address.port)
            else:
                server = PacketFeed(run, address.host, address.port, until_end=until_end)
            stack.callback(server.close)
            feeds.append(_Feed(name, address, server.port, server))
        yield feeds


def _serve(record: LiveRecord, feeds: list[_Feed], *, until_end: bool) -> None:
    """Wait until Ctrl-C, or for the end of the run and of its clients; report once what keeps the
    run from being fed. Raises: RecordError if its end is waited for, and its record is lost."""
    from hil.record.live import State

    waiting = threading.Event()
    before, looks = "", 0
    while True:
        damage = _damage(record, feeds)
        trouble = damage or _delay(record)
        looks = looks + 1 if trouble == before else 1
        before = trouble
        if trouble and looks == (_DAMAGED_LOOKS if damage else 1):
            if damage and until_end:
                raise RecordError(f"{record.run}: {damage}", remedy="was its folder changed?")
            say(f"{record.run}: {trouble}")
        has_ended = record.state is State.ENDED or record.is_killed
        if until_end and has_ended and not any(feed.server.is_waited_for for feed in feeds):
            return
        waiting.wait(_LOOK_S)
        record.poll()


def _damage(record: LiveRecord, feeds: list[_Feed]) -> str:
    """Return why the record cannot be read; empty if it can, or if there is none yet."""
    from hil.record.live import State

    lost = [record.reason] if record.state is State.LOST else []
    return next((text for text in (*lost, *(feed.server.damage for feed in feeds)) if text), "")


def _delay(record: LiveRecord) -> str:
    """Return why nothing more comes from a run that has not ended; empty if more may come."""
    from hil.record.live import State

    if record.state is State.WAITING:
        return "no run has begun there; waiting for it"
    return "the run did not end: its process was killed" if record.is_killed else ""

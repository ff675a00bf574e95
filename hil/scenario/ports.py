"""The ports that a board can be connected to, and corrections of texts that are not ports."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from hil.scenario.problems import did_you_mean, one_of, wrong
from hil.scenario.yaml.messages import describe

__all__ = ["PORT_EXAMPLES", "port_name", "port_problem"]

PORT_EXAMPLES: Final = "a device such as /dev/ttyUSB0 or a URL such as socket://10.0.0.5:4000"

_HOSTED: Final = {
    "socket": ("logging",),
    "rfc2217": ("ign_set_control", "logging", "poll_modem", "timeout"),
    "tcp": (),  # of an agent itself (hil-agent --port tcp:...), with a token
}
"""URLs of a host and a port number, and the options that they may have."""

_LOCAL: Final = ("alt", "cp2110", "hwgrep", "spy")
"""The other URLs of pyserial that lead to a port of this computer."""

_MEANT: Final = {"raw": "socket", "telnet": "rfc2217", "ssh": "socket"}
_HOST_AND_PORT: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\]):[0-9]+")
_ONE_SLASH: Final = re.compile(rf"({'|'.join(sorted(_HOSTED))}):/?([^/].*)", re.IGNORECASE)


def port_name(value: str) -> str:
    """Validate a port and return it.

    Raises: PydanticCustomError, with the problem and a remedy."""
    problem = port_problem(value)
    if problem is not None:
        raise wrong(*problem)
    return value


def port_problem(value: str) -> tuple[str, str] | None:
    """Return what is wrong with `value` as a port and what to write instead; None if nothing."""
    shown = describe(value)
    if not value.strip() or not value.isprintable():
        return f"{shown} is not a valid port; expected {PORT_EXAMPLES}", ""
    if value != value.strip():
        return (
            f"{shown} begins or ends with a space; expected {PORT_EXAMPLES}",
            f"write {value.strip()}",
        )
    one_slash = _ONE_SLASH.fullmatch(value)
    if one_slash is not None:
        scheme, address = one_slash.groups()
        host = "HOST:" if address.isdecimal() else ""  # as an agent's own --port tcp:4000
        return (
            f"{shown} has too few slashes; expected {PORT_EXAMPLES}",
            f"write {scheme.lower()}://{host}{address}",
        )
    scheme, colon, _ = value.partition("://")
    if colon:
        return _url_problem(value, scheme.lower())
    if _HOST_AND_PORT.fullmatch(value):
        return (
            f"{shown} is a host and a port number, but not a valid port; expected {PORT_EXAMPLES}",
            f"write socket://{value}, or rfc2217://{value} if the server speaks RFC 2217",
        )
    return _file_problem(value, shown)


def _file_problem(device: str, shown: str) -> tuple[str, str] | None:
    """Return what is wrong with `device` as a device; `shown` is the port that names it."""
    kind = _kind_of_file(device)
    if kind is None:
        return None
    return (
        f"{shown} is {kind}; expected {PORT_EXAMPLES}",
        "`ls /dev/serial/by-id` shows the devices of USB adapters",
    )


def _kind_of_file(value: str) -> str | None:
    """Return the kind of a file that is not a device; None if `value` may be a device."""
    try:
        mode = Path(value).stat().st_mode
    except (OSError, ValueError):
        return "a folder" if value.endswith("/") else None
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFREG: "a regular file",
        stat.S_IFBLK: "a disk",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket of programs",
    }
    return kinds.get(stat.S_IFMT(mode))


def _url_problem(value: str, scheme: str) -> tuple[str, str] | None:
    shown = describe(value)
    if scheme in _LOCAL:
        return _local_problem(value, scheme)
    if scheme not in _HOSTED:
        known = [f"{name}://" for name in sorted(_HOSTED)]
        meant = _MEANT.get(scheme)
        return (
            f"{shown}: there is no kind of port `{scheme}://`; expected a device or "
            f"{one_of(known)}",
            f"did you mean `{meant}://`?" if meant else did_you_mean(f"{scheme}://", known),
        )
    example = f"{scheme}://HOST:PORT, for example {scheme}://10.0.0.5:4000"
    try:
        parts = urlsplit(value)
        number = parts.port
    except ValueError:
        netloc = urlsplit(value.replace("[", "").replace("]", "")).netloc
        host, _, last = netloc.rpartition(":")
        remedy = (
            f"an IPv6 address stands in brackets: {scheme}://[{host}]:{last}" if ":" in host else ""
        )
        return f"{shown}: its port number is not from 1 to 65535; expected {example}", remedy
    if not parts.hostname:
        return f"{shown} names no host; expected {example}", ""
    if number is None:
        return f"{shown} has no port number; expected {example}", "add the TCP port of the server"
    if number == 0:
        return f"{shown}: its port number is not from 1 to 65535; expected {example}", ""
    return _option_problem(value, scheme, parts)


def _local_problem(value: str, scheme: str) -> tuple[str, str] | None:
    shown = describe(value)
    rest = value.partition("://")[2]
    if not rest.partition("?")[0]:
        return f"{shown} names no port of this computer; expected {PORT_EXAMPLES}", ""
    if scheme == "hwgrep":
        try:
            re.compile(rest.partition("&")[0])
        except re.error as error:
            return (
                f"{shown}: {error.msg} in its regular expression; expected hwgrep://EXPRESSION",
                "put a backslash before a character that stands for itself",
            )
    if scheme in {"alt", "spy"}:
        return _file_problem(rest.partition("?")[0], shown)
    return None


_VALUES: Final[dict[str, tuple[str, Callable[[str], bool]]]] = {
    "logging": (
        "debug, info, warning or error",
        lambda text: text in {"debug", "info", "warning", "error"},
    ),
    "timeout": (
        "seconds",
        lambda text: re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None,
    ),
}


def _option_problem(value: str, scheme: str, parts: SplitResult) -> tuple[str, str] | None:
    if parts.path not in {"", "/"} or parts.fragment:
        return (
            f"{describe(value)} has something behind its port number; expected "
            f"{scheme}://HOST:PORT",
            f"write {scheme}://{parts.netloc}",
        )
    known = _HOSTED[scheme]
    for option, values in parse_qs(parts.query, keep_blank_values=True).items():
        if option not in known:
            return (
                f"{describe(value)}: {scheme}:// has no option `{option}`"
                + (f"; expected {one_of(known)}" if known else ""),
                did_you_mean(option, known),
            )
        expected, fits = _VALUES.get(option, ("", lambda _: True))
        if not fits(values[0]):
            return (
                f"{describe(value)}: the option `{option}` is {describe(values[0])}; expected "
                f"{expected}",
                "",
            )
    return None

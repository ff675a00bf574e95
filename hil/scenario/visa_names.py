"""VISA resource names: their canonical form, by which two names of one instrument are recognised.

Read without PyVISA, which is an extra: a bench file can be checked without it. The grammar is that
of VPP-4.3, section 4.3.1 (address strings): names are read without regard to case, board number 0
and the resource class may be left out.
"""

from __future__ import annotations

import os
import re
import socket
from typing import Final

__all__ = [
    "address_of",
    "canonical_resource",
    "is_serial_resource",
    "resolved_resource",
    "serial_device",
]

_HEAD: Final = re.compile(r"(TCPIP|ASRL|USB|GPIB|VICP|PXI|VXI)(.*)", re.IGNORECASE | re.DOTALL)
_CLASSES: Final = ("INSTR", "SOCKET", "RAW", "INTFC", "BACKPLANE")


def is_serial_resource(resource: str) -> bool:
    """Return whether `resource` is an instrument on a serial line."""
    return resource.strip().upper().startswith("ASRL")


def serial_device(resource: str) -> str | None:
    """Return the device of an instrument on a serial line; None for any other."""
    if not is_serial_resource(resource):
        return None
    return resource.strip()[len("ASRL") :].partition("::")[0]


def canonical_resource(resource: str) -> str:
    """Return the canonical name of the instrument `resource`: interface and board in upper case,
    without defaults. Two names with the same canonical form are one instrument; a name that is
    not understood is its own canonical form. A serial device is named by its file, links
    resolved."""
    match = _HEAD.fullmatch(resource.strip())
    if match is None:
        return resource.strip()
    interface, parts = match[1].upper(), match[2].split("::")
    last = parts[-1].upper() if parts else ""
    kind = parts.pop().upper() if last in _CLASSES and len(parts) > 1 else "INSTR"
    board, *rest = parts
    if interface == "ASRL":
        device = os.path.realpath(board) if board.startswith("/") else board.upper()
        return f"ASRL{device}::{kind}"
    if interface == "TCPIP":
        rest = [word.lower() for word in rest]
        if kind == "INSTR" and len(rest) == 1:
            rest.append("inst0")  # the default device of VXI-11
    elif interface == "USB":
        rest = [*(_number(word) for word in rest[:2]), *rest[2:]]
        if len(rest) == 4 and rest[3] == "0":
            rest.pop()
    return "::".join((f"{interface}{board or 0}", *rest, kind))


def resolved_resource(canonical: str) -> str:
    """Return a canonical name with the address of its host in place of the host's name, so that all
    names of the host are one; a host that is not found stays as it is. May ask a name server."""
    head, _, rest = canonical.partition("::")
    if not head.startswith("TCPIP"):
        return canonical
    host, _, rest = rest.partition("::")
    return f"{head}::{address_of(host)}::{rest}"


def address_of(host: str) -> str:
    """Return the address of a host; one that is not found stays as it is. May ask a name server."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return host
    # One of them, the same for all who ask: that of IPv4 where there is one.
    return min((family != socket.AF_INET, str(place[0])) for family, *_, place in found)[1]


def _number(word: str) -> str:
    """Return a vendor or product number, hexadecimal or decimal, in one form."""
    try:
        return f"0x{int(word, 0):04x}"
    except ValueError:
        return word.lower()

"""Archives in cpio's `newc` format, which the Linux kernel unpacks as its initial file system.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel. Implemented here
because no library writes it, and the program `cpio` needs root to add a device node."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Entry", "archive", "device", "directory", "program"]

_MAGIC = b"070701"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or character device, owned by root. `mode` includes the type's bits."""

    name: str
    mode: int
    content: bytes = b""
    major: int = 0
    minor: int = 0


def program(name: str, content: bytes) -> Entry:
    """Return an executable file."""
    return Entry(name, stat.S_IFREG | 0o755, content)


def directory(name: str) -> Entry:
    """Return a folder."""
    return Entry(name, stat.S_IFDIR | 0o755)


def device(name: str, major: int, minor: int) -> Entry:
    """Return a character device."""
    return Entry(name, stat.S_IFCHR | 0o600, b"", major, minor)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _member(number: int, entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # inode, mode, uid, gid, links, time, size, device of the file system (2), own device (2),
    # length of the name, checksum
    fields = (
        number,
        entry.mode,
        0,
        0,
        links,
        0,
        len(entry.content),
        0,
        0,
        entry.major,
        entry.minor,
        len(name),
        0,
    )
    header = _MAGIC + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(entry.content)


def archive(entries: Iterable[Entry]) -> bytes:
    """Return the archive of `entries` in their order, in which folders must precede their contents.
    Equal entries give equal bytes."""
    members = [_member(number, entry) for number, entry in enumerate(entries, 1)]
    return b"".join(members) + _member(0, Entry("TRAILER!!!", 0))

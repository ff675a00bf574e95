"""The memory of an emulated board, as a file that the guest and this process share.

A new one is all zero and uses memory only where the guest has written. It has no name in the file
system, so it is released when the last process closes it, however that process ends."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Final

__all__ = ["GUEST_BYTES", "RAM_BYTES", "Ram", "kernel_span"]

RAM_BYTES: Final = 1 << 30
"""The machine's memory."""
GUEST_BYTES: Final = 960 << 20
"""The part that the guest's system uses, from physical address 0 on; the rest is the GPU's."""

_IMAGE_MAGIC: Final = b"ARM\x64"
_BOOTLOADER_BYTES: Final = 4096
_LOAD_STEP: Final = 2 << 20


def kernel_span(kernel: Path) -> tuple[int, int]:
    """Return where QEMU loads the kernel: first address, and length including its data [byte].

    Computed from the image's header (Documentation/arm64/booting.rst) by the rule of QEMU's
    hw/arm/boot.c. Returns (0, 0) if the image has no such header, so that its place is not known.
    """
    with kernel.open("rb") as file:
        header = file.read(64)
    if len(header) < 64 or header[56:60] != _IMAGE_MAGIC:
        return 0, 0
    offset, size = struct.unpack_from("<QQ", header, 8)
    if offset < _BOOTLOADER_BYTES:
        offset += _LOAD_STEP
    return int(offset), int(size)


class Ram:
    """The memory of one board from power-on to power-off. QEMU inherits the descriptor `fd`."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("hil-board-ram", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, RAM_BYTES)
        self._map = mmap.mmap(self.fd, RAM_BYTES)

    def read(self, address: int, length: int) -> bytes:
        """Return `length` bytes from a physical address on."""
        return self._map[address : address + length]

    def write(self, address: int, content: bytes) -> None:
        """Write bytes to a physical address; QEMU does not notice (see `Machine.write_memory`)."""
        self._map[address : address + len(content)] = content

    def close(self) -> None:
        """Close the memory, which is released when QEMU has closed it, too. Idempotent."""
        if self.fd >= 0:
            self._map.close()
            os.close(self.fd)
            self.fd = -1

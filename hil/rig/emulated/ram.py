"""The memory of an emulated board, as a file that the guest and this process share.

A fresh one is all zero and takes room only where the guest wrote. It has no name in any folder:
when nobody has it open any more it is gone, whatever happened."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Final

__all__ = ["GUEST_BYTES", "RAM_BYTES", "Ram", "kernel_span"]

RAM_BYTES: Final = 1 << 30
"""What the machine has."""
GUEST_BYTES: Final = 960 << 20
"""What the guest's system is told to use, from physical address 0 on; the rest is the GPU's."""

_IMAGE_MAGIC: Final = b"ARM\x64"
_BOOTLOADER_BYTES: Final = 4096
_LOAD_STEP: Final = 2 << 20


def kernel_span(kernel: Path) -> tuple[int, int]:
    """Where QEMU puts the kernel: first byte, and length with all of its own data.

    From the header of the image (Documentation/arm64/booting.rst) and the rule of QEMU's
    hw/arm/boot.c. (0, 0) if the image has no such header: then nobody knows.
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
    """The memory of one board from power-on to power-off. `path` is what QEMU opens."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("hil-board-ram", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, RAM_BYTES)
        self._map = mmap.mmap(self.fd, RAM_BYTES)

    def read(self, address: int, length: int) -> bytes:
        return self._map[address : address + length]

    def write(self, address: int, content: bytes) -> None:
        self._map[address : address + len(content)] = content

    def close(self) -> None:
        """Idempotent. The memory vanishes when QEMU has let go of it, too."""
        if self.fd >= 0:
            self._map.close()
            os.close(self.fd)
            self.fd = -1

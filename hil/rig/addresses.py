"""Whether the addresses of an agent are the same each time: else a damaged register, stack or
instruction does something else in every run."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Final

__all__ = ["Addresses", "addresses_of"]

_ADDR_NO_RANDOMIZE: Final = 0x0040000
_ELF_FIXED: Final = 2
"""ET_EXEC: linked to run at the addresses that stand in the file."""


class Addresses(enum.Enum):
    """How the addresses of a process were chosen."""

    LINKED = "linked"  # its code has fixed ones and uses no shared library
    NOT_RANDOM = "not random"  # it has switched randomization off
    RANDOM = "random"

    @property
    def fixed(self) -> bool:
        """Another process of the same program has the same."""
        return self is not Addresses.RANDOM


def addresses_of(pid: int) -> Addresses:
    """Those of an agent of this computer. OSError or ValueError if that cannot be told."""
    personality = int(Path(f"/proc/{pid}/personality").read_text(), 16)
    mapped = Path(f"/proc/{pid}/maps").read_text()
    with Path(f"/proc/{pid}/exe").open("rb") as program:
        kind = int.from_bytes(program.read(18)[16:], sys.byteorder)
    if kind == _ELF_FIXED and ".so" not in mapped:
        return Addresses.LINKED
    return Addresses.NOT_RANDOM if personality & _ADDR_NO_RANDOMIZE else Addresses.RANDOM

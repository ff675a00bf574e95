"""Address randomisation: whether an agent has the same addresses in every run.

If it does not, an upset of a register, of the stack or of an instruction has another effect in each
run."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Final

__all__ = ["Addresses", "addresses_of"]

_ADDR_NO_RANDOMIZE: Final = 0x0040000
_ELF_FIXED: Final = 2
"""ET_EXEC: linked to run at the addresses in the file."""


class Addresses(enum.Enum):
    """The way in which the addresses of a process were chosen."""

    LINKED = "linked"  # its code is linked to fixed addresses and uses no shared library
    NOT_RANDOM = "not random"  # it has switched randomisation off
    RANDOM = "random"

    @property
    def fixed(self) -> bool:
        """Return whether another process of the same program has the same addresses."""
        return self is not Addresses.RANDOM


def addresses_of(pid: int) -> Addresses:
    """Return how the addresses of the process `pid` of this computer were chosen.

    Raises: OSError or ValueError if /proc does not say."""
    personality = int(Path(f"/proc/{pid}/personality").read_text(), 16)
    mapped = Path(f"/proc/{pid}/maps").read_text()
    with Path(f"/proc/{pid}/exe").open("rb") as program:
        kind = int.from_bytes(program.read(18)[16:], sys.byteorder)
    if kind == _ELF_FIXED and ".so" not in mapped:
        return Addresses.LINKED
    return Addresses.NOT_RANDOM if personality & _ADDR_NO_RANDOMIZE else Addresses.RANDOM

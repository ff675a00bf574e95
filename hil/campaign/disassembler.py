"""Capstone, the disassembler that exact campaigns need: an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.errors import SetupError
from hil.extras import install_command

if TYPE_CHECKING:
    import capstone

__all__ = ["disassembler"]


def disassembler(arch: str) -> capstone.Cs:
    """Return a disassembler for the processor `arch`, as agents call it.

    Raises: SetupError if capstone is not installed, or `arch` is not known."""
    try:
        import capstone  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SetupError(
            "an exact campaign needs capstone, which is not installed",
            remedy=install_command("campaign"),
        ) from None
    known = {
        "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
        "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN),
    }
    if arch not in known:
        raise SetupError(
            f"an exact campaign is not possible on {arch}",
            remedy=f"it is on {' and '.join(known)}; use a sampled campaign",
        )
    engine = capstone.Cs(*known[arch])
    engine.detail = True
    return engine

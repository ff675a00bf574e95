"""Extras: packages that only some commands need, and how to install them here.

The package is not on PyPI, so naming an extra of it to pip works only beside its sources. Messages
therefore name the packages themselves, which can be installed from any folder.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib import metadata

__all__ = ["install_command"]

_DISTRIBUTION = "hil-flight"
_OF_EXTRA = re.compile(r"""^(?P<what>[^;]+);\s*extra\s*==\s*['"](?P<extra>[\w-]+)['"]$""")


def install_command(extra: str) -> str:
    """Return the command that installs the packages of `extra` for this very interpreter."""
    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # run from its sources
        return f"pip install '.[{extra}]', in a checkout"
    names = [
        m["what"].strip() for m in map(_OF_EXTRA.match, requirements) if m and m["extra"] == extra
    ]
    packages = " ".join(shlex.quote(what.replace(" ", "")) for what in names)
    return f"{shlex.quote(sys.executable)} -m pip install {packages}"

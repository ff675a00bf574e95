"""`python -m hil`, also in a checkout, where Python finds these sources before what is installed.

Sources have no compiled kernel. Where they were found first, and hil is installed as well, the
installed one is run.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
from pathlib import Path

_SOURCES = Path(__file__).resolve().parents[1]


def _leave_the_sources() -> bool:
    """Forget the sources that were found first; return whether hil is installed elsewhere."""
    kept = [entry for entry in sys.path if Path(entry or ".").resolve() != _SOURCES]
    if len(kept) == len(sys.path):
        return False
    loaded = [name for name in sys.modules if name == "hil" or name.startswith("hil.")]
    found = {name: sys.modules.pop(name) for name in loaded}
    before, sys.path[:] = sys.path[:], kept
    importlib.invalidate_caches()
    if importlib.util.find_spec("hil") is not None:
        return True
    sys.path[:] = before
    sys.modules.update(found)
    return False


if importlib.util.find_spec("hil._kernel") is None and _leave_the_sources():
    runpy.run_module("hil", run_name="__main__", alter_sys=True)
else:
    from hil.cli import main

    main()

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
    others = [entry for entry in sys.path if Path(entry or ".").resolve() != _SOURCES]
    if len(others) == len(sys.path):
        return False
    loaded = [name for name in sys.modules if name == "hil" or name.startswith("hil.")]
    modules = {name: sys.modules.pop(name) for name in loaded}
    before, sys.path[:] = sys.path[:], others
    importlib.invalidate_caches()
    if importlib.util.find_spec("hil") is not None:
        return True
    sys.path[:] = before
    sys.modules.update(modules)
    return False


def _refuse(reason: str) -> None:
    """End with one sentence: nothing of hil that would say it better can be loaded."""
    sys.stderr.write(
        f"hil: {reason}\n  try: in the folder of the sources: "
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/hil\n"
    )
    sys.exit(3)


if sys.version_info < (3, 10):  # noqa: UP036 (from a checkout nothing else has looked)
    _refuse(f"Python {sys.version.split()[0]} is too old; expected 3.10 or newer")
if not __package__:
    _refuse("its sources cannot be started by their path; expected `python3 -m hil`")
if importlib.util.find_spec("hil._kernel") is None and _leave_the_sources():
    runpy.run_module("hil", run_name="__main__", alter_sys=True)
else:
    try:
        from hil.cli import main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "hil":
            raise
        _refuse(f"it is not installed for {sys.executable}: the module `{error.name}` is missing")

    main()

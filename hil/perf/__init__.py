"""Performance measurements: `run_perf` returns `PerfRow`s, one for each target of the project.

Computers differ and are shared, so each number is compared with a reference that was measured in
the same run, in turns with it, or that is computed and marked so. These are measurements, not
tests: a busy computer misses targets.
"""

from hil.perf.row import PerfRow
from hil.perf.suite import GROUPS, run_perf

__all__ = ["GROUPS", "PerfRow", "run_perf"]

"""Performance, measured: `run_perf` gives one `PerfRow` for each budget that can be measured here.

Every number stands beside a reference that was measured in the same run, in turns with it, because
machines are shared and differ; or that is computed, and says so. The targets are the project's
budgets; nothing of this is a test.
"""

from hil.perf.row import PerfRow
from hil.perf.suite import GROUPS, run_perf

__all__ = ["GROUPS", "PerfRow", "run_perf"]

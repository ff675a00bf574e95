"""Performance measurements: `run_perf` returns `PerfRow`s, one for each target of the project.

Computers differ and are shared, so each number is compared with a reference that was measured in
the same run, in turns with it, or that is computed and marked so. These are measurements, not
tests: a busy computer misses targets.

suite               all measurements, and a function that carries them out
row                 one line of the table, and how it is measured
computing, plant_cost    vote, digest and codec of the kernel; a day of the plant
orbit_cost, basilisk_day    `hil orbit` over a day and a year, beside Basilisk
lm_cost, numpy_lm   a character of the language model, beside the same model in NumPy
run_rate            whole runs: frames per second, memory, size of the record
feed_cost, feed_client    runs with live feeds, and their client
sampled_rate        experiments of sampled campaigns
wire_cost           messages, bulk transfers, latency, resync
screen_cost         the screen on a long record
exact_cost          exact campaigns, also behind a slow line
campaign_screen_cost    the screen of a campaign
pacing, echo, long_record, gdb_injector
                    what they measure with: slow lines, ptys without hil, a long record, GDB
"""

from hil.perf.row import PerfRow
from hil.perf.suite import GROUPS, run_perf

__all__ = ["GROUPS", "PerfRow", "run_perf"]

"""Generate the cffi extension's C source from the marked regions of the C headers.

The cdef is what stands between ``cffi:begin`` and ``cffi:end`` in each header: it is never written
twice. Usage: ``bind.py OUT.c`` (called by CMake).
"""

import re
import sys
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent
# In the order in which their types build on each other.
HEADERS = [
    "kernel/status.h",
    "host/vote.h",
    "kernel/digest.h",
    "kernel/crc32c.h",
    "kernel/philox.h",
    "kernel/secded.h",
    "kernel/checkpoint.h",
    "kernel/upset.h",
    "kernel/workload.h",
    "host/golden.h",
    "host/frame_verdict.h",
    "host/primary.h",
    "host/replicas.h",
    "host/value_rule.h",
    "host/value_metric.h",
    "host/value_cluster.h",
    "host/value_choice.h",
    "host/value_field.h",
    "host/value_verdict.h",
    "host/checked.h",
    "host/thermal.h",
    "host/power.h",
    "host/fault_bench.h",
    "host/input_bench.h",
    "wire/cobs.h",
    "wire/frame.h",
    "wire/message.h",
    "wire/draws.h",
    "wire/bit_coder.h",
    "wire/outcome_coder.h",
    "wire/sites.h",
    "agent/agent.h",
    "port/inproc/inproc.h",
    "port/inproc/small_stack.h",
]
REGION = re.compile(r"/\* cffi:begin \*/(.*?)/\* cffi:end \*/", re.DOTALL)


def main(out: str) -> None:
    """Write the cffi interface into the C file `out`."""
    regions = [r for h in HEADERS for r in REGION.findall((HERE / h).read_text(encoding="utf-8"))]
    ffi = cffi.FFI()
    ffi.cdef("\n".join(regions))
    includes = "\n".join(f'#include "{Path(h).name}"' for h in HEADERS)
    ffi.set_source("hil._kernel", includes, py_limited_api=True)
    ffi.emit_c_code(out)


if __name__ == "__main__":
    main(sys.argv[1])

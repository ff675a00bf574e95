# The cffi extension, as mypy sees it. `ffi` and `lib` are Any on purpose: their members are made
# from the C headers when the package is built (csrc/bind.py), and a second list of them here could
# only fall behind. hil.kernel and hil.rig give what comes out of them a type again.

from typing import Any

ffi: Any
lib: Any

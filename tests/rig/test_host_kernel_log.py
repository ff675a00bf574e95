"""The difference of two states of a ring buffer that may have dropped its first lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hil.rig.host_kernel_log import lines_since


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60))
def test_the_difference_of_a_ring_buffer_is_what_was_added_to_it(
    old: int, added: int, capacity: int
) -> None:
    """Each line of a kernel log has a time of its own. A ring buffer keeps the last `capacity`."""
    lines = [f"[{number:12.6f}] line" for number in range(old + added)]
    before = tuple(lines[:old][-capacity:])
    now = tuple(lines[-capacity:]) if lines else ()
    new, lost = lines_since(before, now)
    dropped = bool(old) and added >= capacity
    assert lost == dropped
    assert new == (now if dropped else tuple(lines[old:][-capacity:]))

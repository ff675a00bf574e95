"""Bytes of a console as one line of text, and back."""

from __future__ import annotations

import random

import pytest

from hil.printable import UNPRINTABLE
from hil.rig.console.escape import escaped, unescaped


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"[    0.000000] Booting Linux", "[    0.000000] Booting Linux"),
        ("Größe: 5 µm".encode(), "Größe: 5 µm"),
        (b"a\tb", "a\tb"),
        (b"\x1b[2J\x07", "\\x1b[2J\\x07"),
        (b"C:\\x41", "C:\\\\x41"),
        (b"50 %\r100 %\n", "50 %\\r100 %\\n"),
        (b"\xff\xe2\x82", "\\xff\\xe2\\x82"),
        ("a\u202eb\x85".encode(), "a\\xe2\\x80\\xaeb\\xc2\\x85"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(data: bytes, text: str) -> None:
    assert escaped(data) == text
    assert unescaped(text) == data


def test_any_bytes_are_one_printable_line_without_loss() -> None:
    rng = random.Random(12)
    pools = (
        bytes(range(256)),
        b"\\xn\r\n\t0\x1b\x85\xc2\xe2\x80\xae",
        "aµ€\u2028\U000e0041".encode(),
    )
    for _ in range(3000):
        pool = rng.choice(pools)
        data = bytes(rng.choice(pool) for _ in range(rng.randrange(40)))
        text = escaped(data)
        assert not UNPRINTABLE.search(text) and "\n" not in text
        assert unescaped(text) == data


@pytest.mark.parametrize("text", ["\\", "a\\q", "\\x4"])
def test_a_text_that_is_not_escaped_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an escape"):
        unescaped(text)

"""Messages are decoded in several threads at once: rigs may run side by side, and the kernel
releases the interpreter's lock while it decodes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from hil._kernel import ffi
from hil.kernel import pack
from hil.wire import decoding

EACH = 20_000


@pytest.fixture
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _payload(number: int) -> bytes:
    m = ffi.new(
        "hil_reply_t *",
        {
            "frame": number,
            "output_digest": number,
            "state_digest": number,
            "len": 64,
            "output": bytes([number]) * 64,
        },
    )
    return pack("reply", m)


@pytest.mark.usefixtures("switching_often")
def test_replies_that_threads_decode_at_once_are_not_mixed() -> None:
    mixed: list[tuple[int, object]] = []

    def decode(number: int) -> None:
        payload = _payload(number)
        for _ in range(EACH):
            r = decoding.reply(payload)
            if {r.frame, r.state_digest, *r.output} != {number}:
                mixed.append((number, r))

    threads = [threading.Thread(target=decode, args=(n,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not mixed

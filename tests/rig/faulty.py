"""A transport that fails: seeded byte errors all the time, or one named fault at one operation."""

from __future__ import annotations

import random

from hil.rig.transport import Transport, TransportLost

FAULTS = ("drop", "corrupt", "truncate", "duplicate", "delay", "lost")


class FaultyTransport:
    """Wraps any transport. An operation is a write, or a read that brings bytes.

    `byte_error`: probability for each byte, both ways, to be replaced by another. `fail_at`: the
    operation (from 1) that suffers `fault`; `failed` tells whether it has come.
    """

    def __init__(
        self,
        inner: Transport,
        rng: random.Random,
        *,
        byte_error: float = 0.0,
        fail_at: int = 0,
        fault: str = "",
    ) -> None:
        self._inner = inner
        self._rng = rng
        self._byte_error = byte_error
        self._fail_at = fail_at
        self._fault = fault
        self._late = b""
        self._lost = False
        self.operations = 0
        self.failed = False

    @property
    def fd(self) -> int | None:
        return self._inner.fd

    def write(self, data: bytes) -> None:
        if data := self._suffer(data):
            self._inner.write(data)

    def read(self) -> bytes:
        if self._lost:
            raise TransportLost("pulled")
        data = self._inner.read()
        return self._suffer(data) if data else b""

    def close(self) -> None:
        self._inner.close()

    def _suffer(self, data: bytes) -> bytes:
        if self._lost:
            raise TransportLost("pulled")
        self.operations += 1
        data, self._late = data + self._late, b""  # what was late comes behind
        if self._byte_error:
            data = bytes(
                b ^ self._rng.randrange(1, 256) if self._rng.random() < self._byte_error else b
                for b in data
            )
        if self.operations != self._fail_at:
            return data
        self.failed = True
        at = self._rng.randrange(len(data))
        if self._fault == "corrupt":
            return data[:at] + bytes([data[at] ^ self._rng.randrange(1, 256)]) + data[at + 1 :]
        if self._fault == "truncate":
            return data[:at]
        if self._fault == "duplicate":
            return data + data
        if self._fault == "delay":
            self._late = data
        if self._fault == "lost":
            self._lost = True
            raise TransportLost("pulled")
        return b""

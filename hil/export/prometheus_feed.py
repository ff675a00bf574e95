"""The metrics of a run at an HTTP endpoint, by the package `prometheus_client`: an extra."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hil.errors import RecordError, SetupError
from hil.export.run_metrics import METRICS, RunMetrics
from hil.extras import install_command
from hil.record.live import LiveRecord
from hil.record.run_follower import RunFollower

__all__ = ["PrometheusFeed"]


class PrometheusFeed:
    """Serves `/metrics` of a run at `host` and `port` (0: a free one; `port` is the one in use)
    from a thread of its own. The record is read at each request, only what is new in it.

    Raises: SetupError if prometheus_client is not installed or the port cannot be had."""

    def __init__(self, run: Path, host: str, port: int) -> None:
        client = _client()
        self._record = LiveRecord(run)
        self._metrics = RunMetrics(RunFollower(self._record))
        self._lock = threading.Lock()
        self._families = client.core
        registry = client.CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = client.start_http_server(port, host, registry)
        except OSError as error:
            raise SetupError(
                f"cannot serve at {host}:{port}: {error.strerror or error}",
                remedy="choose another port, or end the program that has it",
            ) from error
        self.port = int(self._server.server_port)

    @property
    def is_waited_for(self) -> bool:
        """Return False: whoever asks is answered at once."""
        return False

    def describe(self) -> list[Any]:
        """Return nothing: the registry need not collect to know the names."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield all metrics as they are now, for prometheus_client."""
        with self._lock:
            with contextlib.suppress(RecordError):  # a damaged record keeps its last values
                self._metrics.update()
            info = self._families.InfoMetricFamily("hil_run", "What is run.")
            info.add_metric([], dict(self._metrics.info))
            families = [info]
            for metric in METRICS:
                make = self._families.GaugeMetricFamily
                if metric.is_counter:
                    make = self._families.CounterMetricFamily
                family = make(metric.name, metric.text, labels=metric.labels)
                for labels, value in self._metrics.samples(metric):
                    family.add_metric(labels, value)
                families.append(family)
        yield from families

    def close(self) -> None:
        """End the endpoint. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._record.close()


def _client() -> Any:
    try:
        import prometheus_client  # noqa: PLC0415  (an extra)
        import prometheus_client.core  # noqa: PLC0415
    except ImportError:
        raise SetupError(
            "the endpoint for Prometheus needs prometheus_client, which is not installed",
            remedy=install_command("prometheus"),
        ) from None
    return prometheus_client

"""The metrics of a run at an HTTP endpoint, by the package `prometheus_client`: an extra."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from hil.errors import RecordError, SetupError
from hil.export.run_metrics import METRICS, RunMetrics
from hil.extras import install_command
from hil.record.live import LiveRecord
from hil.record.run_follower import RunFollower

__all__ = ["PrometheusFeed"]

_PATH: Final = "/metrics"


class PrometheusFeed:
    """Serves `/metrics` of a run at `host` and `port` (0: a free one; `port` is the one in use)
    from a thread of its own. The record is read at each request, only what is new in it; before
    the run has begun there are no metrics.

    Raises: SetupError if prometheus_client is not installed or the port cannot be had."""

    def __init__(self, run: Path, host: str, port: int) -> None:
        client = _client()
        self._record = LiveRecord(run)
        self._metrics = RunMetrics(RunFollower(self._record))
        self._lock = threading.Lock()
        self._damage = ""
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
        self._server.set_app(_only_metrics(self._server.get_app()))
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
            try:
                self._metrics.update()
                self._damage = ""
            except RecordError as error:  # a damaged record keeps its last values
                self._damage = error.message
            if not self._record.names:
                return
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

    @property
    def damage(self) -> str:
        """Return why the record could not be read at the last request; empty if it could."""
        return self._damage

    def close(self) -> None:
        """End the endpoint. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._record.close()


def _only_metrics(serve: Any) -> Any:
    """Return the WSGI application that leaves `/metrics` to `serve`; that of prometheus_client
    serves them at every path."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == _PATH:
            response: Iterable[bytes] = serve(environ, start_response)
            return response
        status, text = ("200 OK", "a run of hil") if path == "/" else ("404 Not Found", "not found")
        start_response(status, [("Content-Type", "text/html; charset=utf-8")])
        return [f'<p>{text}: its metrics are at <a href="{_PATH}">{_PATH}</a></p>\n'.encode()]

    return answer


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

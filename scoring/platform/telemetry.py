"""Prometheus counters of a process, and /metrics, which needs METRICS_TOKEN.

Processes of one command share their counts through files (PROMETHEUS_MULTIPROC_DIR, which `manage.py run` sets).
"""

import hmac
import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METRICS = "/metrics"
SHARED = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10)  # seconds
LONG = (1, 5, 15, 60, 300, 900, 3600, 14400, 86400)

saves = Histogram("acne_save_seconds", "Server time of saving a grade.", ["status"], buckets=QUICK)
outbox_age = Histogram("acne_outbox_age_seconds", "How long a grade waited in the browser.", buckets=LONG)
exports = Histogram("acne_export_seconds", "Time of sending a study's export, to its end.", buckets=LONG)
answers = Counter("acne_scores", "Selfies scored, by what was answered.", ["answer"])
artefacts_refused = Counter("acne_artefacts_refused", "Times that a published regressor could not be read.")
score_seconds = Histogram("acne_score_seconds", "Time of answering an app's request.", ["status"], buckets=QUICK)

MakeCollectors = Callable[[], Iterable[Collector]]


class Telemetry:
    """A WSGI application that shows what is counted, and lets everything else pass.

    `collectors` read what all processes share, such as the database, at each request.
    """

    def __init__(self, application: "WSGIApplication", *, collectors: MakeCollectors = tuple) -> None:
        self.application, self.collectors = application, collectors

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO") != METRICS:
            return self.application(environ, start_response)
        if not _may_read(environ.get("HTTP_AUTHORIZATION", "")):
            return _answer(start_response, HTTPStatus.NOT_FOUND, b"")
        return _answer(start_response, HTTPStatus.OK, self._read())

    def _read(self) -> bytes:
        registry = CollectorRegistry()
        for collector in self.collectors():
            registry.register(collector)
        if os.environ.get(SHARED):
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(registry) + generate_latest(REGISTRY)


def _may_read(authorization: str) -> bool:
    wanted = settings.METRICS_TOKEN
    return bool(wanted) and hmac.compare_digest(authorization.encode(), f"Bearer {wanted}".encode())


def _answer(start_response: "StartResponse", status: HTTPStatus, body: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]

"""Prometheus metrics of the whole installation, read from database and queue on request."""

from collections.abc import Iterator

from django.db import DatabaseError, close_old_connections
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import RedisError

from labeler.operations import health


class Installation(Collector):
    """Labels, images, queues, jobs and the schedule. What can't be read now is missing, and `acne_up` says of what."""

    def collect(self) -> Iterator[Metric]:
        close_old_connections()
        up = GaugeMetricFamily("acne_up", "Whether it answers.", labels=["part"])
        for part, read, error in (("database", _database, DatabaseError), ("queue", _queue, RedisError)):
            try:
                yield from list(read())
                up.add_metric([part], 1)
            except error:
                up.add_metric([part], 0)
        yield up


def _database() -> Iterator[Metric]:
    yield CounterMetricFamily("acne_labels", "Labels given, undone ones included.", value=health.labels_so_far())
    yield CounterMetricFamily("acne_images", "Images imported, erased ones included.", value=health.images_so_far())
    files, asked_for = health.files_that_wait()
    yield GaugeMetricFamily("acne_import_files_waiting", "Files of imports that no worker has begun.", value=files)
    oldest_import = GaugeMetricFamily("acne_import_oldest_timestamp_seconds", "When the oldest of these was asked for.")
    if asked_for:
        oldest_import.add_metric([], asked_for.timestamp())
    yield oldest_import
    tick = health.last_tick()
    yield GaugeMetricFamily(
        "acne_last_tick_timestamp_seconds", "When a scheduled task last ran.", value=tick.timestamp() if tick else 0
    )
    jobs = GaugeMetricFamily("acne_jobs", "Jobs by kind and state; failed: of one day.", labels=["kind", "state"])
    oldest = GaugeMetricFamily("acne_job_oldest_timestamp_seconds", "When the oldest waiting one came", labels=["kind"])
    success = GaugeMetricFamily("acne_job_success_timestamp_seconds", "When one last succeeded.", labels=["kind"])
    took = GaugeMetricFamily("acne_job_took_seconds", "How long the last that succeeded took.", labels=["kind"])
    for one in health.job_counts():
        for state in ("queued", "running", "failed"):
            jobs.add_metric([one.kind, state], getattr(one, state))
        if one.oldest:
            oldest.add_metric([one.kind], one.oldest.timestamp())
        if one.last_success:
            success.add_metric([one.kind], one.last_success.timestamp())
        if one.took is not None:
            took.add_metric([one.kind], one.took)
    yield from (jobs, oldest, success, took)


def _queue() -> Iterator[Metric]:
    lengths = GaugeMetricFamily("acne_queue_messages", "Messages that wait.", labels=["queue"])
    oldest = GaugeMetricFamily("acne_queue_oldest_timestamp_seconds", "When the oldest was sent.", labels=["queue"])
    for name, queue in health.queues().items():
        lengths.add_metric([name], queue.length)
        if queue.oldest:
            oldest.add_metric([name], queue.oldest)
    yield from (lengths, oldest)

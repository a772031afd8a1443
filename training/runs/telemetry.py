"""Prometheus metrics of training and readers, by study, without names or codes."""

import re
from collections.abc import Iterable, Iterator

from django.db import DatabaseError, close_old_connections
from django.db.models import QuerySet
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from labeler.platform import typed_json
from scoring.models import Job
from training.models import TrainingRun
from training.runs.run_result import RunRecord


class Learning(Collector):
    """The latest run of each study that is open, and how many of its readers drift. `acne_up` tells of the database."""

    def collect(self) -> Iterator[Metric]:
        close_old_connections()
        try:
            yield from list(_metrics())
        except DatabaseError:
            return


def _metrics() -> Iterator[Metric]:
    success = GaugeMetricFamily("acne_retrained_timestamp_seconds", "When a run last succeeded.", labels=["study"])
    for run in _latest():
        if run.finished_at:
            success.add_metric([run.study.slug], run.finished_at.timestamp())
    yield success
    stages = GaugeMetricFamily("acne_stage_seconds", "How long each stage of a run took.", labels=["study", "stage"])
    drifting = GaugeMetricFamily("acne_readers_drifting", "Readers with a drift alarm.", labels=["study"])
    watched = GaugeMetricFamily("acne_readers_watched", "Readers whose drift can be told.", labels=["study"])
    for run in _latest(record__has_key="drift"):  # a run that finds nothing new has neither
        record = typed_json.load(RunRecord, run.record)
        for stage, seconds in _stages(record.seconds).items():
            stages.add_metric([run.study.slug, stage], seconds)
        drifting.add_metric([run.study.slug], record.drift.alarms)
        watched.add_metric([run.study.slug], record.drift.watched)
    yield from (stages, drifting, watched)


def _latest(**filters: object) -> QuerySet[TrainingRun]:
    """Return the latest run that succeeded of each study that is open."""
    succeeded = TrainingRun.objects.filter(state=Job.State.SUCCEEDED, study__closed_at=None, **filters)
    runs = succeeded.order_by("study", "-pk").distinct("study").select_related("study")
    return runs.only("study__slug", "finished_at", "record")


def _stages(seconds: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Add up what differs by a number alone, as the fits of one recipe do."""
    total: dict[str, float] = {}
    for stage, took in seconds:
        name = re.sub(r"\d+", "N", stage)
        total[name] = total.get(name, 0.0) + took
    return total

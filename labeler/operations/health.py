"""The installation's health: what is well, what is not, and how to mend it. Read-only.

The health page, `manage.py check_health` and /metrics show the same findings.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.models import Count, Max, Min
from django.urls import reverse
from django.utils import timezone
from redis import Redis, RedisError

from labeler.intake import uploads
from labeler.models import Image, Intake, IntakeFile, Label
from labeler.operations import memory
from labeler.platform import database_clock
from labeler.platform.message_headers import SENT_AT
from scoring.models import Job, Regressor
from scoring.platform import blobs, jobs
from scoring.platform.probes import Migrations, NotReadyError
from scoring.regressor import regressors
from scoring.regressor.regressors import ArtefactError
from scoring.weights import weight_files

QUEUES = ("celery", "intake")
LONGEST_QUEUE = 1000  # messages: each is done in seconds, or names a job that is looked at apart
LAST_TICK = "last-tick"  # in the cache: when a scheduled task last ran
LONGEST_SILENCE = timedelta(minutes=10)
FAILURES_SHOWN = timedelta(days=7)  # what failed before that has not been missed
MOST_SHOWN = 50
LONGEST_WAIT = timedelta(hours=6)  # of a job: a retraining before it may take that long
LEAST_FREE = 0.1  # of a disk
LARGEST_CLOCK_ERROR = timedelta(seconds=5)
OLDEST_POSTGRESQL = 140000
TRIGGERS = (
    *("labels_are_append_only", "audit_is_append_only"),
    *("blocks_are_append_only", "erased_notes_are_append_only"),
)
ANSWER_SECONDS = 5  # that another server may take to answer


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and, where it is not well, what to do."""

    name: str
    said: str
    mend: str = ""

    @property
    def is_well(self) -> bool:
        return not self.mend


@dataclass(frozen=True)
class Queue:
    """The messages that wait for workers of one kind."""

    length: int
    oldest: float | None  # when it was sent, in seconds since 1970


@dataclass(frozen=True)
class JobCount:
    """How the jobs of one kind stand."""

    kind: str
    queued: int
    running: int
    failed: int  # in the last day
    oldest: datetime | None  # that nobody has begun
    last_success: datetime | None
    took: float | None  # seconds, of the last success


@dataclass(frozen=True)
class SetAside:
    """Work that failed, or was given up, and waits for an admin."""

    name: str
    study: str
    why: str
    since: datetime
    page: str
    again: str  # where it is sent to be tried again


def examine() -> list[Finding]:
    """Look at everything that can be seen from here, the database first: the rest needs it."""
    database = _database()
    if not database.is_well:
        return [database, _broker()]
    return [database, *(look() for look in _LOOKS)]


def queues() -> dict[str, Queue]:
    """Return the messages that wait. Raises RedisError."""
    client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS)
    try:
        # kombu puts messages in on the left and takes them out on the right.
        return {name: Queue(int(client.llen(name)), _sent_at(client.lindex(name, -1))) for name in QUEUES}
    finally:
        client.close()


def _sent_at(message: Any) -> float | None:
    if message is None:
        return None
    seconds: float = json.loads(message)["headers"][SENT_AT]
    return seconds


def images_so_far() -> int:
    """Return the newest image's number, as `labels_so_far` does."""
    newest: int | None = Image.objects.aggregate(newest=Max("pk"))["newest"]
    return newest or 0


def files_that_wait() -> tuple[int, datetime | None]:
    """Return how many files of imports no worker has begun, and when the first of these imports was asked for."""
    found = IntakeFile.objects.filter(state=IntakeFile.State.WAITING).aggregate(
        number=Count("pk"), oldest=Min("intake__requested_at")
    )
    return found["number"], found["oldest"]


def job_models() -> list[type[Job]]:
    return [model for model in apps.get_models() if issubclass(model, Job)]


def job_counts() -> list[JobCount]:
    return [_count(model) for model in job_models()]


def set_aside() -> list[SetAside]:
    """Return what waits for an admin, the latest first. Without apps' jobs: the app was told, and sends it again."""
    found = [one for model in job_models() if model.AGAIN for one in _set_aside(model)]
    return sorted([*found, *_imports_set_aside()], key=lambda one: one.since, reverse=True)


def labels_so_far() -> int:
    """Return the newest label's number, which is quick. Acts that were undone before they were stored leave gaps."""
    newest: int | None = Label.objects.aggregate(newest=Max("pk"))["newest"]
    return newest or 0


def tick() -> None:
    """Note that beat, the broker and a worker work together now."""
    cache.set(LAST_TICK, database_clock.now().timestamp(), timeout=None)


def last_tick() -> datetime | None:
    seconds = cache.get(LAST_TICK)
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=timezone.get_current_timezone())


def broker() -> None:
    """Raises NotReadyError: for a probe, which tells of it and stays ready (docs/decisions.md)."""
    try:
        queues()
    except RedisError as error:
        raise NotReadyError("does not answer; what it would carry waits in the database") from error


def storage() -> None:
    """Raises NotReadyError where no file can be written and read back."""
    name = f"probes/{secrets.token_hex(8)}"
    try:
        blobs.write(name, b"probe")
        is_same = blobs.read(name) == b"probe"
        blobs.erase(name)
    except Exception as error:  # every storage has errors of its own
        raise NotReadyError(f"can't be written: {type(error).__name__}") from error
    if not is_same:
        raise NotReadyError("gives back other bytes than it took")


def _count(model: type[Job]) -> JobCount:
    rows = model._default_manager.all()
    queued = rows.filter(state=Job.State.QUEUED)
    last = rows.filter(state=Job.State.SUCCEEDED).order_by("-finished_at").values("started_at", "finished_at").first()
    began, ended = (last["started_at"], last["finished_at"]) if last else (None, None)
    return JobCount(
        kind=str(model._meta.verbose_name),
        queued=queued.count(),
        running=rows.filter(state=Job.State.RUNNING).count(),
        failed=rows.filter(state=Job.State.FAILED, finished_at__gte=timezone.now() - timedelta(days=1)).count(),
        oldest=queued.aggregate(oldest=Min("requested_at"))["oldest"],
        last_success=ended,
        took=(ended - began).total_seconds() if began and ended else None,
    )


def _set_aside(model: type[Job]) -> Iterator[SetAside]:
    failed = model._default_manager.filter(state=Job.State.FAILED, finished_at__gt=timezone.now() - FAILURES_SHOWN)
    # Those that can be tried again are of a study.
    for job in failed.select_related("study").order_by("-finished_at")[:MOST_SHOWN]:  # type: ignore[misc]
        if job.is_set_aside and job.finished_at:
            slug = job.study.slug  # type: ignore[attr-defined]
            page, again = (reverse(name, args=[slug, job.pk]) for name in (model.PAGE, model.AGAIN))
            yield SetAside(str(job).capitalize(), slug, job.error, job.finished_at, page, again)


def _imports_set_aside() -> Iterator[SetAside]:
    counts = dict(uploads.set_aside().values_list("intake").annotate(Count("pk")).order_by("-intake")[:MOST_SHOWN])
    for into in Intake.objects.filter(pk__in=counts).select_related("study"):
        number = counts[into.pk]
        why = f"{number} file{'s were' if number > 1 else ' was'} given up. {uploads.GIVEN_UP}"
        page, again = (reverse(name, args=[into.study.slug, into.pk]) for name in ("intake_progress", "import_again"))
        yield SetAside(str(into).capitalize(), into.study.slug, why, into.requested_at, page, again)


def _database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int, now()")
            version, now = cursor.fetchone()
    except DatabaseError:
        connection.close()
        return Finding("Database", "does not answer", "Look at PostgreSQL's log, and at DATABASE_URL.")
    found = f"PostgreSQL {version // 10000}"
    if version < OLDEST_POSTGRESQL:
        return Finding("Database", found, "Upgrade to PostgreSQL 14 or newer.")
    error = abs(now - timezone.now())
    if error > LARGEST_CLOCK_ERROR:
        return Finding("Database", f"{found}, its clock {error.total_seconds():.0f} s from ours", "Set both by NTP.")
    return Finding("Database", found)


def _migrations() -> Finding:
    return _from_probe("Migrations", Migrations(), "all applied", "Run `manage.py migrate` with this version.")


def _append_only() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname = ANY(%s) AND tgenabled <> 'D'", [list(TRIGGERS)])
        missing = set(TRIGGERS) - {name for (name,) in cursor.fetchall()}
    if missing:
        return Finding(
            "Append-only tables",
            f"{', '.join(sorted(missing))} missing or switched off",
            "Find out who changed the database, restore the triggers from the migrations, and compare with a backup.",
        )
    return Finding("Append-only tables", "labels, audit log and ledger refuse changes")


def _broker() -> Finding:
    try:
        waiting = queues()
    except RedisError:
        return Finding("Queue", "does not answer", "Start Valkey or Redis, or mend REDIS_URL. What waits is not lost.")
    said = ", ".join(f"{name}: {queue.length:,}" for name, queue in waiting.items())
    if max(queue.length for queue in waiting.values()) > LONGEST_QUEUE:
        return Finding("Queue", f"{said} messages wait", "Start more workers: `manage.py run worker` and `run intake`.")
    return Finding("Queue", f"{said} messages wait")


def _schedule() -> Finding:
    last = last_tick()
    if last is None or timezone.now() - last > LONGEST_SILENCE:
        said = "never ran" if last is None else f"last ran {timezone.localtime(last):%d %B %H:%M}"
        return Finding("Schedule", said, "Start beat and the intake worker: `manage.py run beat`, `run intake`.")
    return Finding("Schedule", f"ran {(timezone.now() - last).total_seconds():.0f} s ago")


def _jobs() -> Finding:
    counts = job_counts()
    said = ", ".join(f"{one.kind}: {one.queued} queued, {one.running} running" for one in counts)
    late = [one.kind for one in counts if one.oldest and timezone.now() - one.oldest > LONGEST_WAIT]
    lost = sum(jobs.overdue(model).count() for model in job_models())
    waiting = len(set_aside())
    if late or lost:
        return Finding("Jobs", f"{said}; waiting too long: {', '.join(late) or lost}", "Start a worker, or restart it.")
    if waiting:
        return Finding("Jobs", f"{said}; {waiting} set aside", "Each says why at /health/. Mend it, try again.")
    return Finding("Jobs", said or "none yet")


def _storage() -> Finding:
    return _from_probe("Storage", storage, "takes and gives back files", "Look at MEDIA_ROOT or MEDIA_BUCKET.")


def _disk() -> Finding:
    usage = shutil.disk_usage(settings.VAR_DIR)
    said = f"{usage.free / 2**30:,.0f} GiB of {usage.total / 2**30:,.0f} free"
    if usage.free < LEAST_FREE * usage.total:
        return Finding("Disk", said, "Make room where VAR_DIR is. `features/` may be deleted: it is computed again.")
    return Finding("Disk", said)


def _memory() -> Finding:
    found = ", ".join(map(str, memory.misfits()))
    if found:
        return Finding("Memory", f"{found} for photographs", memory.MEND)
    return Finding("Memory", "enough for photographs wherever a container's limit is known")


def _weights() -> Finding:
    try:
        weight_files.verified(weight_files.LANDMARKS)
        weight_files.verified(weight_files.RESNET50)
    except weight_files.WeightsError as error:
        return Finding("Weights", "missing or damaged", str(error))
    return Finding("Weights", "as they were published, by SHA-256")


def _regressors() -> Finding:
    """Read every published regressor as a scorer does, though scorers may still have it in memory."""
    published = list(Regressor.objects.filter(is_active=True).order_by("study"))
    damaged = [said for row in published if (said := _damage(row))]
    if damaged:
        mend = "Restore the file from a backup, or roll back or retrain the study: the page of its recipes has both."
        return Finding("Regressors", " ".join(damaged), mend)
    return Finding("Regressors", f"{len(published)} in service, as they were stored, by SHA-256")


def _damage(row: Regressor) -> str:
    try:
        regressors.verify(row)
    except ArtefactError as error:
        before = regressors.stand_in(row)
        meanwhile = f"{before} answers in its place." if before else "None can answer in its place."
        return f"{row} of study {row.study}: {error} {meanwhile}".replace(" Retrain.", "")
    return ""


def _scorer() -> Finding:
    if not settings.SCORER_URL:
        return Finding("Scorer", "none of its own: the site scores photographs itself")
    try:
        with urlopen(f"{settings.SCORER_URL}/readyz", timeout=ANSWER_SECONDS):  # noqa: S310  the operator's own setting
            return Finding("Scorer", "ready")
    except HTTPError as error:
        said = "full or not ready" if error.code == HTTPStatus.SERVICE_UNAVAILABLE else f"answers {error.code}"
    except (URLError, OSError):
        said = "does not answer"
    return Finding("Scorer", said, "Look at its log, and at SCORER_URL.")


def _settings() -> Finding:
    found = [str(one.msg) for one in checks.run_checks(include_deployment_checks=True) if one.level >= checks.WARNING]
    if found and settings.BEHIND_TLS:
        return Finding("Settings", found[0], "See `manage.py check --deploy`.")
    return Finding("Settings", "fit for people" if settings.BEHIND_TLS else "of a machine of your own (no TLS)")


def _from_probe(name: str, probe: Callable[[], None], well: str, mend: str) -> Finding:
    try:
        probe()
    except NotReadyError as error:
        return Finding(name, str(error), mend)
    return Finding(name, well)


_LOOKS = (
    *(_migrations, _append_only, _broker, _schedule, _jobs),
    *(_storage, _disk, _memory, _weights, _regressors, _scorer, _settings),
)


def troubles(findings: list[Finding]) -> Iterator[Finding]:
    return (finding for finding in findings if not finding.is_well)

"""Jobs that are killed at every step: each is resumed or begun anew, once, and nothing half-done stays."""

import html
import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image as PillowImage

from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.images import renditions
from labeler.intake import orphaned_files, uploads
from labeler.models import (
    Assignment,
    AuditEvent,
    Erasure,
    Image,
    Intake,
    Measurement,
    ProvisionalScore,
    SimilarPair,
    Study,
    StudyJob,
    User,
)
from labeler.privacy import erasing
from labeler.screening import prescreen
from labeler.studies import study_jobs
from labeler.studies.study_jobs import Kind
from scoring.models import BulkJob, Job, Regressor, Scope
from scoring.platform import blobs, jobs
from scoring.regressor import regressors
from scoring.service import batches
from scoring.service.outcomes import Photograph
from tests import builders, processes
from tests.scoring.builders import App, publish_one
from tests.training.builders import give_grade
from training.export import study_zip
from training.models import Score, TrainingImage, TrainingRun
from training.runs import retrain, unused_features

SEED = 8
NEVER = "no step has these words"
# make test-slow: at every step, and in retraining the published recipe too. Otherwise at some steps, by a seed.
AT_EVERY_STEP = os.environ.get("KILL_JOBS") == "at every step"
RETRAIN, ERASE, IMPORT = "training.tasks.retrain", "labeler.tasks.erase", "labeler.tasks.import_files"
SCORE, STUDY_JOB = "scoring.tasks.score_job", "labeler.tasks.do_study_job"
STAGE = 'UPDATE "training_trainingrun" SET '


@dataclass
class Doomed:
    """The worker that is killed (tests/faults/doomed.py)."""

    process: "subprocess.Popen[str]"
    log: Path

    def steps(self, task: str, *arguments: int) -> list[str]:
        """Let it do a task undisturbed; return its steps."""
        answer = self._order(task, arguments, NEVER, 0)
        assert answer["ended"] == 0, self.log.read_text()
        return list(answer["steps"])

    def killed(self, task: str, *arguments: int, at: str = "", more: int = 0) -> bool:
        """Kill it at a step: so many after the first that has these words. False if it was done before that."""
        ended: int = self._order(task, arguments, at, more)["ended"]
        assert ended in {0, -9}, self.log.read_text()
        return ended == -9

    def _order(self, task: str, arguments: tuple[int, ...], words: str, more: int) -> dict[str, Any]:
        order = {"task": task, "arguments": arguments, "words": words, "more": more, "media": str(settings.MEDIA_ROOT)}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.log.read_text()
        return dict(json.loads(answer))


@pytest.fixture(scope="module")
def doomed(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doomed]:
    log = tmp_path_factory.mktemp("doomed") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.doomed"],
            env=processes.environment() | {"DJANGO_SETTINGS_MODULE": "labeler.settings"},
            cwd=processes.REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
        with process:
            yield Doomed(process, log)


def some(steps: list[str], number: int) -> list[int]:
    """Return at which steps to kill: after each of them, or after some."""
    everywhere = list(range(len(steps)))
    return everywhere if AT_EVERY_STEP else sorted(random.Random(SEED).sample(everywhere, number))  # noqa: S311


def lose(job: Job) -> None:
    """Let a lease pass, and forget that it was tried: a third time would be the last (see test_jobs.py)."""
    rows = type(job)._default_manager.filter(pk=job.pk)
    assert job not in jobs.overdue(type(job))
    rows.update(lease_until=timezone.now() - timedelta(seconds=1), attempts=0)
    assert job in jobs.overdue(type(job))


def files() -> set[str]:
    """Return every file in storage."""
    root = Path(settings.MEDIA_ROOT)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def age_files() -> None:
    """Let hours pass."""
    long_ago = time.time() - 2 * 3600
    for folder in (Path(settings.MEDIA_ROOT), settings.VAR_DIR / "uploads"):
        for path in folder.rglob("*"):
            os.utime(path, (long_ago, long_ago))


def tinted(grade: int, number: int) -> bytes:
    """Return a photograph whose colour tells its grade, so that a regressor can learn it."""
    noise = np.random.default_rng(number).integers(0, 12, (128, 96, 3), dtype=np.uint8)
    colour = np.array([60 + 40 * (grade - 1), 90, 220 - 40 * (grade - 1)], dtype=np.uint8)
    stream = io.BytesIO()
    PillowImage.fromarray(noise + colour).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.fixture
def learnable(transactional_db: None, ana: User, ben: User, tmp_path: Path) -> Study:
    """Return a study whose regressor passes the gate: ana says what the colour says, ben one more. SIMULATED."""
    study = builders.make_study(readers=(ana, ben))
    builders.import_photographs(study, {f"{1 + n % 4}-{n}.jpg": tinted(1 + n % 4, n) for n in range(34)}, tmp_path)
    golden_draw.draw(study=study, size=20)  # the fewest that a verdict rests on
    folds.deal(study=study)
    for assignment in Assignment.objects.filter(reader__study=study).select_related("image", "reader"):
        give_grade(assignment, int(assignment.image.source_name[0]) + (assignment.reader.user == ben))
    return study


def asked_run(study: Study) -> TrainingRun:
    run = retrain.request(study=study)
    TrainingRun.objects.filter(pk=run.pk).update(fits_ms2019=AT_EVERY_STEP)
    return run


def outcome(run: TrainingRun) -> dict[str, Any]:
    """Return what a run made, without when it made it."""
    run.refresh_from_db()
    assert run.report is not None
    assert regressors.active("acne").id == run.regressor_id, run.conclusion
    return {
        "state": (run.state, run.is_published, run.conclusion, run.error, run.stage, run.lease_until),
        "artefact": run.record["artefact_sha256"],
        "points": run.report["points"],
        "scores": list(Score.objects.order_by("recipe", "fit", "image").values_list("recipe", "fit", "image", "value")),
        "learned from": sorted(TrainingImage.objects.values_list("image", flat=True)),
        "regressors": Regressor.objects.count(),
        "acts": AuditEvent.objects.filter(action="published a regressor", detail=f"of {run}").count(),
        "files": {name for name in files() if name.startswith(("regressors", "features"))},
    }


@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_at_every_stage_ends_as_one_that_was_not(doomed: Doomed, learnable: Study) -> None:
    before = publish_one("acne")
    run = asked_run(learnable)
    steps = doomed.steps(RETRAIN, run.pk)
    undisturbed = outcome(run)
    assert run.is_published

    TrainingRun.objects.all().delete()
    Regressor.objects.exclude(pk=before.pk).delete()
    regressors.publish(before)
    shutil.rmtree(Path(settings.MEDIA_ROOT) / "features")
    blobs.erase(f"regressors/{undisturbed['artefact']}.safetensors")

    run = asked_run(learnable)
    stages = list(dict.fromkeys(step for step in steps if step.startswith(STAGE) and step != STAGE))
    storing = steps[steps.index(f"{STAGE}Storing") + 1 :]
    points = [("", 0), (f"{STAGE}Embedding", 40), *((stage, 0) for stage in stages)]
    points += [(f"{STAGE}Storing", 1 + more) for more in some(storing, 4)]
    assert len(points) > 10
    for at, more in points:
        assert doomed.killed(RETRAIN, run.pk, at=at, more=more), (at, more)
        run.refresh_from_db()
        assert run.state == ("queued" if not at else "running")
        assert not Score.objects.exists()
        assert regressors.active("acne").id == Regressor.objects.get().pk == before.pk
        if at:
            lose(run)
    doomed.steps(RETRAIN, run.pk)
    age_files()
    unused_features.collect_features()
    assert outcome(run) == undisturbed
    assert TrainingRun.objects.count() == 1
    assert doomed.steps(RETRAIN, run.pk) == [STAGE] * 2  # its message once more: it asks for the job, and gets none


def with_files(study: Study) -> Image:
    """Add an image with everything that is made of one."""
    (image,) = builders.make_images(study, 1)
    names = [image.original, *(renditions.storage_name(image.rendition, size) for size in renditions.SIZES)]
    names += [f"features/{image.content_hash[:2]}/{image.content_hash}/{key}" for key in ("one", "other")]
    for name in names:
        blobs.write(name, b"a face")
    return image


def ask(study: Study) -> Erasure:
    """Ask for the erasure of an image that has files of every kind."""
    image = with_files(study)
    return erasing.request(study=study, images=study.images.filter(pk=image.pk), reason="They asked.", by=None)


@pytest.mark.timeout(3600)
def test_an_erasure_that_is_killed_at_any_step_ends_with_everything_gone(
    doomed: Doomed, transactional_db: None
) -> None:
    study = builders.make_study()

    def totals(erasure: Erasure) -> Any:
        erasure.refresh_from_db()
        assert (erasure.state, erasure.error) == ("succeeded", "")
        assert not files()
        acts = AuditEvent.objects.filter(action=erasing.ACTION, detail__startswith=f"{erasure}:")
        return {**(erasure.certificate or {})["totals"], "acts": acts.count()}

    first = ask(study)
    steps = doomed.steps(ERASE, first.pk)
    undisturbed = totals(first)
    assert undisturbed["files"] > 5
    for more in some(steps[1:], 10):
        erasure = ask(study)
        assert doomed.killed(ERASE, erasure.pk, more=1 + more), steps[1 + more]
        lose(erasure)
        doomed.steps(ERASE, erasure.pk)
        assert totals(erasure) == undisturbed, steps[1 + more]


@pytest.mark.timeout(3600)
def test_an_import_that_is_killed_at_any_step_brings_every_photograph_once(
    doomed: Doomed, transactional_db: None, olga: User
) -> None:
    data = builders.make_zip({f"{n}.jpg": builders.make_jpeg(n) for n in range(2)})

    def begin(slug: str) -> Intake:
        into = uploads.begin(study=builders.make_study(slug), by=olga)
        uploads.receive(into, name="all.zip", size=len(data), offset=0, body=io.BytesIO(data))
        uploads.finish(into)
        return into

    def brought(into: Intake) -> Any:
        age_files()
        orphaned_files.collect()
        uploads.clean_up()
        assert not list((settings.VAR_DIR / "uploads").iterdir())
        kept = {name for image in Image.objects.all() for name in (image.original, image.rendition)}
        assert {name.partition("-")[0] for name in files()} == kept
        rows = Image.objects.filter(study=into.study)
        ours = tuple(name for image in rows for name in (image.original, image.rendition))
        return {
            "images": sorted(rows.values_list("source_name", "content_hash", "is_kept")),
            "measured": Measurement.objects.filter(image__in=rows).count(),
            "files": sorted(into.files.values_list("name", "state", "lease_until")),
            "stored": len([name for name in files() if name.startswith(ours)]),
        }

    first = begin("undisturbed")
    steps = doomed.steps(IMPORT, first.pk)
    undisturbed = brought(first)
    assert undisturbed["measured"] == 2
    for more in some(steps, 8):
        into = begin(f"killed-at-{more}")
        assert doomed.killed(IMPORT, into.pk, more=more), steps[more]
        into.files.exclude(lease_until=None).update(lease_until=timezone.now() - timedelta(seconds=1))
        assert into.pk in uploads.stalled() or not uploads.waiting(into)
        doomed.steps(IMPORT, into.pk)
        assert brought(into) == undisturbed, steps[more]


@pytest.mark.timeout(3600)
def test_an_apps_job_that_is_killed_at_any_step_scores_every_photograph_once(
    doomed: Doomed, transactional_db: None
) -> None:
    regressor, token = publish_one("acne"), App(Scope.BATCH).token

    def sent() -> BulkJob:
        pictures = [builders.make_jpeg(number) for number in range(2)]
        photographs = [Photograph(f"{n}.jpg", "", partial(bytes, picture)) for n, picture in enumerate(pictures)]
        return batches.create(token=token, photographs=photographs, webhook="")

    def scored(job: BulkJob) -> Any:
        job.refresh_from_db()
        assert files() == {regressor.artefact}
        return job.state, job.error, list(job.items.values_list("status", "answer", "detail", "file"))

    first = sent()
    steps = doomed.steps(SCORE, first.pk)
    undisturbed = scored(first)
    assert undisturbed[0] == "succeeded"
    for more in some(steps[1:-1], 3):  # after the last one it is done
        job = sent()
        assert doomed.killed(SCORE, job.pk, more=1 + more), steps[1 + more]
        lose(job)
        doomed.steps(SCORE, job.pk)
        assert scored(job) == undisturbed, steps[1 + more]


def left_to_do(study: Study, kind: Kind, folder: Path) -> Study:
    """Bring in a photograph, in two sizes, and another; leave limits that are not applied, and nothing else is done."""
    sizes = {"small": (0, (96, 128)), "large": (0, (192, 256)), "other": (1, (96, 128))}
    pictures = {f"{name}.jpg": builders.make_jpeg(seed, size=size) for name, (seed, size) in sizes.items()}
    builders.import_photographs(study, pictures, folder)
    if kind != Kind.LIMITS:
        Measurement.objects.filter(image__study=study).delete()
    prescreen.set_limits(study=study, limits={"short_side": (100, None)}, by=None, at_once=False)
    return study


def done(study_job: StudyJob) -> Any:
    """Return what a study job made of its study, without times, and the files left once beat deleted half-done ones."""
    study_job.refresh_from_db()
    age_files()
    unused_features.collect_features()
    images = study_job.study.images.order_by("source_name")
    of_study = {"image__study": study_job.study}
    names = "image__source_name"
    scores = ProvisionalScore.objects.filter(**of_study).order_by(names)
    measured = Measurement.objects.filter(**of_study).order_by(names)
    pairs = SimilarPair.objects.filter(first__study=study_job.study)
    return {
        "state": (study_job.state, study_job.error, study_job.stage, study_job.lease_until, study_job.is_asked_again),
        "images": list(images.values_list("source_name", "failed", "is_kept")),
        "alike": sorted(images.exclude(cluster=None).values_list("source_name", flat=True)),
        "pairs": sorted(pairs.values_list("first__source_name", "second__source_name", "distance")),
        "measured": [(name, bytes(said)) for name, said in measured.values_list(names, "fingerprint")],
        "scores": list(scores.values_list(names, "score", "grade")),
        "acts": set(study_job.study.audit_events.values_list("action", flat=True)),
        "features": {name for name in files() if name.startswith("features")},
    }


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", list(Kind))
def test_a_study_job_that_is_killed_at_any_step_ends_as_one_that_was_not(
    doomed: Doomed, transactional_db: None, tmp_path: Path, kind: Kind
) -> None:
    publish_one("acne")
    source = builders.make_study("acne") if kind == Kind.SCORE else None

    def asked(slug: str) -> StudyJob:
        shutil.rmtree(Path(settings.MEDIA_ROOT) / "features", ignore_errors=True)
        study = left_to_do(builders.make_study(slug), kind, tmp_path)
        return study_jobs.request(study=study, kind=kind, by=None, source=source)

    first = asked("undisturbed")
    steps = doomed.steps(STUDY_JOB, first.pk)
    undisturbed = done(first)
    assert undisturbed["state"][0] == "succeeded"
    assert sum(is_kept for *_, is_kept in undisturbed["images"]) == (3 if kind == Kind.SCORE else 1)
    assert len(undisturbed["measured"]) == (0 if kind == Kind.SCORE else 3)
    assert undisturbed["alike"] == (["large.jpg", "small.jpg"] if kind == Kind.DUPLICATES else [])
    assert len(undisturbed["scores"]) == (3 if kind == Kind.SCORE else 0)
    for more in some(steps[1:-1], min(4, len(steps) - 2)):  # after the last one it is done
        study_job = asked(f"killed-at-{more}")
        assert doomed.killed(STUDY_JOB, study_job.pk, more=1 + more), steps[1 + more]
        lose(study_job)
        doomed.steps(STUDY_JOB, study_job.pk)
        assert done(study_job) == undisturbed, steps[1 + more]
        again = doomed.steps(STUDY_JOB, study_job.pk)
        assert again == ['UPDATE "labeler_chore" SET '] * 2  # it asks for it, and gets none


def ask_to_measure(study: Study) -> StudyJob:
    with_files(study)
    return study_jobs.request(study=study, kind=Kind.MEASURE, by=None)


@pytest.mark.parametrize(
    ("asked", "task", "at", "act"),
    [
        (ask, ERASE, "os.remove", "tried an erasure again"),
        (ask_to_measure, STUDY_JOB, "Measuring images", "tried a study job again"),
    ],
)
def test_a_job_that_took_three_workers_with_it_waits_for_somebody_who_tries_it_again(
    doomed: Doomed, transactional_db: None, asked: Callable[[Study], Job], task: str, at: str, act: str
) -> None:
    root = builders.sign_in(Client(), User.objects.create_superuser("root"))
    job = asked(builders.make_study())
    rows = type(job)._default_manager
    for _ in range(jobs.MAX_ATTEMPTS):
        assert doomed.killed(task, job.pk, at=at)
        rows.update(lease_until=timezone.now() - timedelta(seconds=1))
    doomed.steps(task, job.pk)
    job.refresh_from_db()
    assert (job.state, job.error, job.attempts) == ("failed", jobs.GIVEN_UP, jobs.MAX_ATTEMPTS)
    assert not jobs.overdue(type(job)).exists()

    page = root.get("/health/").content.decode()
    again = reverse(job.AGAIN, args=["acne", job.pk])
    assert html.escape(jobs.GIVEN_UP) in page
    assert f'action="{again}"' in page
    assert root.post(again).status_code == 302
    assert "Set aside" not in root.get("/health/").content.decode()
    doomed.steps(task, job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert AuditEvent.objects.get(action=act).user == User.objects.get(username="root")


def test_an_export_that_is_killed_is_seen_to_be_no_export_and_leaves_nothing(
    transactional_db: None, study: Study, as_olga: Client, tmp_path: Path
) -> None:
    as_olga.post(reverse("unblind", args=["acne"]), {"reason": "We publish."})
    whole = b"".join(study_zip.stream(study, with_names=True))
    with processes.web(tmp_path / "web.log", TMPDIR=str(tmp_path)) as web:
        request = Request(f"{web.address}/studies/acne/export/", headers={"Cookie": cookie(as_olga)})  # noqa: S310
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE training_score IN ACCESS EXCLUSIVE MODE")  # it stops there, half-way
            answer = urlopen(request, timeout=processes.PATIENCE)  # noqa: S310  our own loopback address
            begun = answer.read(2000)
            web.kill()
            with pytest.raises((IncompleteRead, OSError)):
                answer.read()
            answer.close()
        assert begun == whole[:2000]
        assert not [path for path in tmp_path.iterdir() if path.name != "web.log"]
        web.start()
        with urlopen(request, timeout=processes.PATIENCE) as answer:  # noqa: S310
            assert answer.read() == b"".join(study_zip.stream(study, with_names=True))


def cookie(client: Client) -> str:
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())

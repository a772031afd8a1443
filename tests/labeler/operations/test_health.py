"""The operator is told what is wrong and how to mend it, on a page, on a terminal and by Prometheus."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from redis import Redis

from labeler import tasks
from labeler.management.commands import check_health
from labeler.models import Intake, IntakeFile, Study, User
from labeler.operations import health, memory
from labeler.operations.telemetry import Installation
from labeler.platform import typed_json
from scoring.network import cpu_cores
from scoring.platform.telemetry import Telemetry
from tests import builders
from tests.training.builders import grade_everything
from training.fitting import provenance
from training.models import TrainingRun
from training.reports.reader_numbers import Drifting
from training.runs.run_result import RunRecord
from training.runs.telemetry import Learning

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
PROMTOOL = shutil.which(
    "promtool", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
)
TOKEN = "a token for Prometheus"


def finding(name: str) -> health.Finding:
    return next(one for one in health.examine() if one.name == name)


def nobody_listens(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


def nothing_can_be_written(settings: Any) -> None:
    settings.MEDIA_ROOT = "/proc"


def triggers_are_off(settings: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE labeler_label DISABLE TRIGGER labels_are_append_only")


def no_scorer_answers(settings: Any) -> None:
    settings.SCORER_URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("harm", "name", "said"),
    [
        (nobody_listens, "Queue", "does not answer"),
        (nothing_can_be_written, "Storage", "can't be written"),
        (triggers_are_off, "Append-only tables", "labels_are_append_only missing or switched off"),
        (no_scorer_answers, "Scorer", "does not answer"),
    ],
)
def test_what_is_wrong_is_found_and_how_to_mend_it(
    harm: Callable[[Any], None], name: str, said: str, settings: Any, db: None
) -> None:
    assert finding(name).is_well
    harm(settings)
    assert said in finding(name).said
    assert finding(name).mend


@pytest.mark.parametrize(
    ("said", "is_well"), [("max", True), (str(2**33), True), (str(2**31), False), (str(2**63), True)]
)
def test_a_process_whose_container_is_too_small_is_found(
    said: str, is_well: bool, db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{said}\n")
    monkeypatch.setattr(memory, "LIMITS", (tmp_path / "none", tmp_path / "memory.max"))
    monkeypatch.setattr(cpu_cores, "usable", lambda: 2)
    assert (memory.note("intake") == "") is is_well
    assert finding("Memory").is_well is is_well
    assert is_well or "intake has 2.0 GiB and may need 5.4" in finding("Memory").said
    (tmp_path / "memory.max").write_text("max")
    memory.note("intake")
    assert finding("Memory").is_well


def test_the_schedule_is_well_from_its_first_tick(db: None) -> None:
    assert finding("Schedule").said == "never ran"
    tasks.tick()
    assert finding("Schedule").is_well


def test_the_doctor_says_it_and_leaves_a_status(db: None, settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    nobody_listens(settings)
    with pytest.raises(SystemExit) as ended:
        check_health.Command().handle()
    assert ended.value.code == 1
    assert "MEND  Queue: does not answer." in capsys.readouterr().out


def test_the_operators_page_shows_every_finding(client: Client, db: None) -> None:
    root = User.objects.create_superuser(username="root")
    page = builders.sign_in(client, root).get("/health/").content.decode()
    assert all(one.name in page for one in health.examine())
    assert "manage.py run beat" in page


def read(token: str = TOKEN) -> tuple[str, str]:
    """Return the status and what /metrics has for a token."""
    statuses = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Callable[[bytes], object]:
        del headers, exc_info
        statuses.append(status)
        return len

    telemetry = Telemetry(lambda *_: [], collectors=lambda: [Installation(), Learning()])
    body = b"".join(telemetry({"PATH_INFO": "/metrics", "HTTP_AUTHORIZATION": f"Bearer {token}"}, start_response))
    return statuses[0], body.decode()


@pytest.fixture
def _token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


def scraped(test: Callable[..., None]) -> Callable[..., None]:
    """Let a test read /metrics, which takes a connection of its own as a request does."""
    marked: Callable[..., None] = pytest.mark.django_db(transaction=True)(pytest.mark.usefixtures("_token")(test))
    return marked


@scraped
def test_metrics_are_for_who_has_the_token(settings: Any) -> None:
    assert read()[0] == "200 OK"
    assert read("another") == ("404 Not Found", "")
    settings.METRICS_TOKEN = ""
    assert read("") == ("404 Not Found", "")


@scraped
def test_metrics_count_labels_and_say_what_does_not_answer(study: Study, settings: Any) -> None:
    builders.make_images(study, 4)
    grade_everything(study)
    before = read()[1]
    assert f"acne_labels_total {health.labels_so_far():.1f}" in before
    assert 'acne_up{part="queue"} 1.0' in before
    nobody_listens(settings)
    assert 'acne_up{part="queue"} 0.0' in read()[1]


@scraped
def test_a_saved_grade_is_timed_and_its_wait_is_counted(as_ana: Client, study: Study) -> None:
    def counted() -> float:
        (line,) = re.findall(r"^acne_outbox_age_seconds_sum (.*)$", read()[1], re.MULTILINE)
        return float(line)

    before, card = counted(), as_ana.get(reverse("queue", args=["acne"])).json()["upcoming"][0]
    as_ana.post(
        card["label"],
        {"submission": uuid4(), "version": 0, "grade": 3},
        headers={"X-Waited-Ms": "90000", "Accept": "application/json"},
    )
    assert counted() - before == pytest.approx(90)


def value_of(series: str) -> float:
    """Return what /metrics says of one series."""
    (found,) = (line.rsplit(" ", 1)[1] for line in read()[1].splitlines() if line.startswith(f"{series} "))
    return float(found)


@pytest.fixture
def ran(study: Study) -> TrainingRun:
    """Return a run that took a quarter of an hour, after one that found a reader drifting; its numbers are made up."""
    hours = [timezone.now() - timedelta(hours=hours) for hours in (3, 2, 1.25, 1)]
    run = TrainingRun.objects.create(study=study, state="succeeded", started_at=hours[0], finished_at=hours[1])
    record = RunRecord(
        **vars(provenance.of_run(run, recipe="face_ridge", label_snapshot="0" * 64)),
        seconds=(("Embedding images", 5.0), ("Fitting, fit 1 of 2", 3.5), ("Fitting, fit 2 of 2", 4.0)),
        artefact_sha256="0" * 64,
        drift=Drifting(watched=2, alarms=1),
        ms2019_snapshot="0" * 64,
    )
    run.record = typed_json.dump(record)
    run.save(update_fields=["record"])
    return TrainingRun.objects.create(study=study, state="succeeded", started_at=hours[2], finished_at=hours[3])


@scraped
def test_metrics_tell_of_the_last_run_and_of_readers_who_drift_by_study(ran: TrainingRun, study: Study) -> None:
    assert ran.finished_at
    assert value_of('acne_retrained_timestamp_seconds{study="acne"}') == pytest.approx(ran.finished_at.timestamp())
    # The newest run found nothing new: what is known comes from the one before.
    assert value_of('acne_stage_seconds{stage="Fitting, fit N of N",study="acne"}') == 7.5
    assert value_of('acne_readers_drifting{study="acne"}') == 1
    assert value_of('acne_readers_watched{study="acne"}') == 2
    assert value_of('acne_job_took_seconds{kind="training run"}') == pytest.approx(15 * 60)
    Study.objects.update(closed_at=timezone.now())
    assert "acne_readers_drifting{" not in read()[1]


@scraped
def test_metrics_tell_how_far_imports_are(study: Study) -> None:
    into = Intake.objects.create(study=study, source="folder", place="/photographs")
    waiting, imported = IntakeFile.State.WAITING, IntakeFile.State.IMPORTED
    for name, state in (("a.jpg", waiting), ("b.jpg", waiting), ("c.jpg", imported)):
        IntakeFile.objects.create(intake=into, name=name, state=state)
    assert value_of("acne_import_files_waiting") == 2
    assert value_of("acne_import_oldest_timestamp_seconds") == pytest.approx(into.requested_at.timestamp())
    before = value_of("acne_images_total")
    builders.make_images(study, 3)
    assert value_of("acne_images_total") == before + 3


@scraped
def test_metrics_tell_how_long_the_oldest_message_has_waited(settings: Any) -> None:
    with Redis.from_url(settings.REDIS_URL) as broker:
        broker.delete("intake")
        began = time.time()
        tasks.tick.delay()
        between = time.time()
        tasks.tick.delay()
        assert value_of('acne_queue_messages{queue="intake"}') == 2
        assert began <= value_of('acne_queue_oldest_timestamp_seconds{queue="intake"}') <= between
        broker.delete("intake")


@scraped
def test_an_export_is_timed_to_its_end(as_olga: Client, study: Study) -> None:
    before = value_of("acne_export_seconds_count")
    as_olga.post("/studies/acne/unblind/", {"reason": "The study is over.", "next": "/studies/acne/export/"})
    answer: Any = as_olga.get("/studies/acne/export/")
    assert value_of("acne_export_seconds_count") == before
    assert b"".join(answer.streaming_content)
    assert value_of("acne_export_seconds_count") == before + 1


def named(text: str) -> Iterator[str]:
    return (re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bacne_[a-z_]+", text))


@scraped
def test_rules_and_dashboard_ask_for_what_there_is() -> None:
    there = set(re.findall(r"^# TYPE (\S+)", read()[1], re.MULTILINE))
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    asked = [rule["expr"] for rule in rules] + panels()
    assert set(named(" ".join(asked))) <= there


def panels() -> list[str]:
    found = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return [target["expr"] for panel in found for target in panel["targets"]]


def promtool(*arguments: str) -> str:
    """Return what Prometheus' own tool says where it fails, or nothing."""
    assert PROMTOOL
    said = subprocess.run([PROMTOOL, *arguments], cwd=MONITORING, capture_output=True, text=True, check=False)
    return said.stdout + said.stderr if said.returncode else ""


@pytest.mark.skipif(not PROMTOOL, reason="no promtool here: `make test` takes it out of Debian's package, where it can")
def test_prometheus_itself_takes_rules_and_dashboard_and_alarms_when_it_should(tmp_path: Path) -> None:
    assert not promtool("check", "rules", "alerts.yaml")
    assert not promtool("test", "rules", "alerts-test.yaml")
    recorded = [{"record": f"panel:{number}", "expr": asked} for number, asked in enumerate(panels())]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert not promtool("check", "rules", str(tmp_path / "panels.yaml"))

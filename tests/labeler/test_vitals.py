"""The operator is told what is wrong and how to mend it, on a page, on a terminal and by Prometheus."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from django.db import connection
from django.test import Client
from django.urls import reverse

from labeler import tasks, vitals
from labeler.management.commands import doctor
from labeler.models import Study, User
from labeler.telemetry import Installation
from scoring.telemetry import Telemetry
from tests import builders
from tests.training.builders import grade_everything

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
TOKEN = "a token for Prometheus"


def finding(name: str) -> vitals.Finding:
    return next(one for one in vitals.examine() if one.name == name)


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


def test_the_schedule_is_well_from_its_first_tick(db: None) -> None:
    assert finding("Schedule").said == "never ran"
    tasks.tick()
    assert finding("Schedule").is_well


def test_the_doctor_says_it_and_leaves_a_status(db: None, settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    nobody_listens(settings)
    with pytest.raises(SystemExit) as ended:
        doctor.Command().handle()
    assert ended.value.code == 1
    assert "MEND  Queue: does not answer." in capsys.readouterr().out


def test_the_operators_page_shows_every_finding(client: Client, db: None) -> None:
    root = User.objects.create_superuser(username="root")
    page = builders.sign_in(client, root).get("/operations/").content.decode()
    assert all(one.name in page for one in vitals.examine())
    assert "manage.py run beat" in page


def read(token: str = TOKEN) -> tuple[str, str]:
    """Return the status and what /metrics has for a token."""
    statuses = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Callable[[bytes], object]:
        del headers, exc_info
        statuses.append(status)
        return len

    telemetry = Telemetry(lambda *_: [], collectors=lambda: [Installation()])
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
    assert f"acne_labels_total {vitals.labels_so_far():.1f}" in before
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


def named(text: str) -> Iterator[str]:
    return (re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bacne_[a-z_]+", text))


@scraped
def test_rules_and_dashboard_ask_for_what_there_is() -> None:
    there = set(re.findall(r"^# TYPE (\S+)", read()[1], re.MULTILINE))
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules] + [one["expr"] for panel in panels for one in panel["targets"]]
    assert set(named(" ".join(asked))) <= there

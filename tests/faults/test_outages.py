"""While PostgreSQL is away every request is answered 503, and all works once it is back."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psycopg2
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from labeler.grading import queries
from labeler.models import Label, Reader, Study
from scoring.models import Scope
from scoring.platform.outages import RETRY_AFTER
from tests import builders, processes
from tests.faults.conftest import Behind
from tests.faults.test_scorer import run
from tests.scoring.builders import App

PASSWORD = "a password for tests alone"
JSON = {"Accept": "application/json"}
NO_JOB = "/api/v1/jobs/00000000-0000-0000-0000-000000000000"


@dataclass
class Browser:
    """A user's browser, on a real server."""

    address: str
    cookies: Mapping[str, str]

    def ask(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] = {}
    ) -> "Told":
        link = HTTPConnection(urlsplit(self.address).netloc, timeout=processes.PATIENCE)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        token = self.cookies.get(settings.CSRF_COOKIE_NAME, "")
        sent = {"Cookie": cookies, "X-CSRFToken": token, "Accept": "text/html", **headers}
        if fields is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        link.request(method, path, urlencode(fields) if fields is not None else None, sent)
        answer = link.getresponse()
        told = Told(answer, answer.read().decode())
        link.close()
        return told


@dataclass
class Told:
    answer: HTTPResponse
    text: str

    @property
    def status(self) -> int:
        return self.answer.status

    def says_send_again(self, kind: str) -> bool:
        said = {name.lower(): value for name, value in self.answer.getheaders()}
        assert said["content-type"].partition(";")[0] == kind
        assert "no-store" in said["cache-control"]
        return (self.status, said["retry-after"]) == (503, str(RETRY_AFTER))


def browser_of(client: Client, address: str) -> Browser:
    client.get(reverse("grade", args=["acne"]))
    return Browser(address, {name: morsel.value for name, morsel in client.cookies.items()})


def grade_fields(reader: Reader) -> tuple[str, dict[str, str]]:
    """Return where a reader's next grade goes, and what is sent."""
    assignment = queries.next_assignment(reader)
    assert assignment
    address = reverse("label", args=["acne", assignment.public_id])
    submission = "00000000-0000-4000-8000-000000000001"
    return address, {"submission": submission, "version": "0", "grade": "2"}


def test_who_comes_while_the_database_is_away_is_told_to_send_again(
    behind: Behind, study: Study, reader: Reader, as_ana: Client, tmp_path: Path
) -> None:
    builders.make_user("dora", password=PASSWORD)
    app = App(Scope.BATCH)
    label, fields = grade_fields(reader)
    signing_in = {"login": "dora", "password": PASSWORD}
    bearer = {"Authorization": f"Bearer {app.key}"}
    with processes.web(tmp_path / "web.log", LEGACY_API="1") as web:
        ana = browser_of(as_ana, web.address)
        stranger = Browser(web.address, {settings.CSRF_COOKIE_NAME: ana.cookies[settings.CSRF_COOKIE_NAME]})
        assert ana.ask("GET", "/").status == 200
        assert stranger.ask("GET", NO_JOB, headers=bearer).status == 404
        connection.close()
        behind.postgresql.stop()

        assert stranger.ask("POST", "/accounts/login/", signing_in).says_send_again("text/html")
        page = ana.ask("GET", "/")
        assert page.says_send_again("text/html")
        assert "reload the page" in page.text
        graded = ana.ask("POST", label, fields, JSON)
        assert graded.says_send_again("application/json")
        assert "Send this again" in json.loads(graded.text)["error"]
        problems = [
            stranger.ask("GET", path, headers=bearer) for path in (NO_JOB, "/url/ImageURL=https://a.example/b.jpg")
        ]
        assert all(problem.says_send_again("application/problem+json") for problem in problems)
        assert all("Send this again" in json.loads(problem.text)["detail"] for problem in problems)

        behind.postgresql.start()
        assert stranger.ask("POST", "/accounts/login/", signing_in).status == 302
        assert ana.ask("POST", label, fields, JSON).status == 200
        assert ana.ask("GET", "/").status == 200
        assert stranger.ask("GET", NO_JOB, headers=bearer).status == 404
    assert Label.objects.count() == 1
    log = (tmp_path / "web.log").read_text()
    assert log.count("The database is away") == 5
    assert "Traceback" not in log
    assert "Service Unavailable" not in log  # the one line says it


def lock_labels(locking: "psycopg2.extensions.connection") -> None:
    with locking.cursor() as cursor:
        cursor.execute("LOCK TABLE labeler_label IN ACCESS EXCLUSIVE MODE")


def cut_off_who_waits(locking: "psycopg2.extensions.connection") -> None:
    """Wait until a connection waits for a lock, and end their connection as a server does that is stopped."""
    deadline, ended = time.monotonic() + processes.PATIENCE, 0
    with locking.cursor() as cursor:
        while not ended:
            assert time.monotonic() < deadline
            time.sleep(0.02)
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
            ended = cursor.rowcount


def test_a_grade_whose_connection_is_lost_half_way_is_sent_again_and_counts_once(
    transactional_db: None, study: Study, reader: Reader, as_ana: Client, tmp_path: Path
) -> None:
    label, fields = grade_fields(reader)
    with processes.web(tmp_path / "web.log") as web, ThreadPoolExecutor(1) as hand:
        ana = browser_of(as_ana, web.address)
        with closing(psycopg2.connect(**connection.get_connection_params())) as locking:
            lock_labels(locking)
            sent = hand.submit(ana.ask, "POST", label, fields, JSON)
            cut_off_who_waits(locking)
            assert sent.result().says_send_again("application/json")
        assert ana.ask("POST", label, fields, JSON).status == 200
    assert Label.objects.count() == 1


def test_a_lock_that_nobody_lets_go_is_an_error_that_somebody_must_see(
    transactional_db: None, study: Study, reader: Reader, as_ana: Client, tmp_path: Path
) -> None:
    label, fields = grade_fields(reader)
    with processes.web(tmp_path / "web.log") as web:
        ana = browser_of(as_ana, web.address)
        with closing(psycopg2.connect(**connection.get_connection_params())) as locking:
            lock_labels(locking)
            assert ana.ask("POST", label, fields, JSON).status == 500
        assert ana.ask("POST", label, fields, JSON).status == 200
    assert "LockNotAvailable" in (tmp_path / "web.log").read_text()


def test_the_scorer_tells_apps_to_send_again(behind: Behind, study: Study, tmp_path: Path) -> None:
    app = App(Scope.BATCH)
    with run("scorer", tmp_path / "scorer.log") as scorer:
        someone = Browser(scorer.address, {})
        bearer = {"Authorization": f"Bearer {app.key}"}
        assert someone.ask("GET", NO_JOB, headers=bearer).status == 404
        connection.close()
        behind.postgresql.stop()
        assert someone.ask("GET", NO_JOB, headers=bearer).says_send_again("application/problem+json")
        behind.postgresql.start()
        assert someone.ask("GET", NO_JOB, headers=bearer).status == 404

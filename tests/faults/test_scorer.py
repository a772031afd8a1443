"""Web and scorer as real processes: who loads what, who is ready when, and what comes of too many requests."""

import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg2
import pytest
from django.core.files.storage import default_storage
from django.db import connection, transaction

from labeler.operations import health
from scoring.models import Regressor, Scope
from scoring.regressor import regressors
from scoring.weights import weight_files
from tests import processes
from tests.scoring.builders import App, make_fitted, publish_one

NETWORKS = ("torch", "onnxruntime", "dlib")  # shared objects that pages have no use for
SECONDS = 60


class Served:
    """A process of the installation, and how it answers."""

    def __init__(self, pid: int, address: str) -> None:
        self.pid, self.address = pid, address

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        return ask(Request(self.address + path))  # noqa: S310  our own loopback address

    def loaded(self) -> set[str]:
        """Return which of NETWORKS any of its processes has mapped."""
        maps = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in [self.pid, *processes.children(self.pid)])
        return {name for name in NETWORKS if name in maps}


def ask(request: Request) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310  our own loopback address
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, {}


@contextmanager
def run(name: str, log: Path, **changed: str) -> Iterator[Served]:
    """Run one process as a container does, until it is alive."""
    address = f"127.0.0.1:{processes.free_port()}"
    with processes.running("manage", "run", name, "--bind", address, log=log, LOCAL="0", **changed) as process:
        served = Served(process.pid, f"http://{address}")
        processes.await_ready(lambda: served.get("/healthz")[0] == 200, process, log)
        yield served


def wait_until_ready(served: Served) -> None:
    deadline = time.monotonic() + processes.PATIENCE
    while (answer := served.get("/readyz"))[0] != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def photograph(app: App, address: str, picture: bytes) -> Request:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + picture + b"\r\n--b--\r\n"
    headers = {"Authorization": f"Bearer {app.key}", "Content-Type": "multipart/form-data; boundary=b"}
    return Request(f"{address}/api/v1/score", body, headers)  # noqa: S310  our own loopback address


def test_photographs_are_scored_in_the_scorer_and_pages_load_no_network(
    transactional_db: None, tmp_path: Path, selfie_bytes: bytes
) -> None:
    publish_one("acne")
    app = App(Scope.SCORE)
    with run("scorer", tmp_path / "scorer.log") as scorer:
        wait_until_ready(scorer)
        assert scorer.get("/api/v1/docs")[0] == 404  # a page: the site's
        assert scorer.loaded() >= {"onnxruntime", "dlib"}
        with run("web", tmp_path / "web.log", SCORER_URL=scorer.address) as web:
            wait_until_ready(web)
            for path in ("/accounts/login/", "/api/v1/docs"):
                with urlopen(web.address + path, timeout=SECONDS) as page:  # noqa: S310
                    assert page.status == 200
            status, answer = ask(photograph(app, web.address, selfie_bytes))
            assert status == 200, answer
            assert web.loaded() == set()
        assert ask(photograph(app, scorer.address, selfie_bytes)) == (200, answer)


def test_four_times_more_than_it_can_do_is_answered_and_no_more(
    transactional_db: None, tmp_path: Path, selfie_bytes: bytes
) -> None:
    publish_one("acne")
    app = App(Scope.SCORE, per_minute=1_000_000)
    with run("scorer", tmp_path / "scorer.log", SCORER_WAITING="2", EMBEDDING_PROCESSES="1") as scorer:
        wait_until_ready(scorer)
        places = 2 + len(os.sched_getaffinity(0))
        requests = [photograph(app, scorer.address, selfie_bytes) for _ in range(16 * places)]
        with ThreadPoolExecutor(4 * places) as clients:
            statuses = Counter(status for status, _ in clients.map(ask, requests))
        assert set(statuses) == {200, 503}, statuses
        assert statuses[200] >= places
        assert ask(photograph(app, scorer.address, selfie_bytes))[0] == 200


def test_a_scorer_without_weights_is_alive_and_becomes_ready_when_they_come(
    transactional_db: None, tmp_path: Path
) -> None:
    given, empty = weight_files.folder(), tmp_path / "weights"
    empty.mkdir()
    with run("scorer", tmp_path / "scorer.log", WEIGHTS_DIR=str(empty)) as scorer:
        while (answer := scorer.get("/readyz"))[1].get("weights") == "warming up":
            time.sleep(0.1)
        status, said = answer
        assert (status, said["database"], said["migrations"]) == (503, "ok", "ok")
        assert said["weights"] == "missing or damaged: the log says which"
        assert "Run `make weights`" in (tmp_path / "scorer.log").read_text()
        for file in weight_files.FILES:
            shutil.copy(given / file.name, empty)
        wait_until_ready(scorer)


@contextmanager
def asked_on_and_on(request: Request) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Ask the same from two threads until the block ends; give the answers as they come."""
    answers: list[tuple[int, dict[str, Any]]] = []
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            answers.append(ask(request))

    with ThreadPoolExecutor(2) as clients:
        asking = [clients.submit(go_on) for _ in range(2)]
        try:
            yield answers
        finally:
            over.set()
    for one in asking:
        one.result()


def wait_for_answer_of(row: Regressor, answers: list[tuple[int, dict[str, Any]]]) -> None:
    deadline, known = time.monotonic() + processes.PATIENCE, len(answers)
    while row.pk not in {answer.get("regressor_id") for _, answer in answers[known:]}:
        assert time.monotonic() < deadline, answers[-3:]
        time.sleep(0.02)


def wait_for_line(expected: str, log: Path) -> None:
    deadline = time.monotonic() + processes.PATIENCE
    while expected not in (said := log.read_text()):
        assert time.monotonic() < deadline, said[-2000:]
        time.sleep(0.02)


def test_regressors_are_switched_and_a_damaged_one_refused_without_a_failed_request(
    transactional_db: None, tmp_path: Path, selfie_bytes: bytes
) -> None:
    first, second = publish_one("acne", seed=41), publish_one("acne", seed=42)
    app, log = App(Scope.SCORE, per_minute=1_000_000), tmp_path / "scorer.log"
    with run("scorer", log, METRICS_TOKEN="for Prometheus") as scorer:
        wait_until_ready(scorer)
        with asked_on_and_on(photograph(app, scorer.address, selfie_bytes)) as answers:
            for row in (second, first, second):
                regressors.publish(row)
                wait_for_answer_of(row, answers)
            third = regressors.save(make_fitted(seed=43), study="acne", provenance={})
            with transaction.atomic():
                regressors.publish(third)
                with Path(default_storage.path(third.artefact)).open("r+b") as file:
                    file.write(b"no artefact")  # before the scorer hears of it
            wait_for_line(f"{third} of study acne can't answer", log)
            wait_for_answer_of(second, answers)
        assert {status for status, _ in answers} == {200}
        assert third.pk not in {answer["regressor_id"] for _, answer in answers}
        assert ask(photograph(app, scorer.address, selfie_bytes))[1]["regressor_id"] == second.pk
        metrics = Request(f"{scorer.address}/metrics", headers={"Authorization": "Bearer for Prometheus"})  # noqa: S310
        with urlopen(metrics, timeout=SECONDS) as answer:  # noqa: S310  our own loopback address
            assert b"acne_artefacts_refused_total 1.0" in answer.read()
    assert f"{third} of study acne can't answer: The artefact {third.artefact} is not the one" in log.read_text()
    (found,) = (one for one in health.examine() if one.name == "Regressors")
    assert f"{second} answers in its place." in found.said


@pytest.mark.parametrize("name", ["web", "scorer"])
def test_without_a_database_a_process_is_alive_and_not_ready(name: str, tmp_path: Path) -> None:
    nobody = f"postgresql://acne:wrong@127.0.0.1:{processes.free_port()}/acne"
    with run(name, tmp_path / "process.log", DATABASE_URL=nobody) as served:
        status, said = served.get("/readyz")
        assert (status, said["database"]) == (503, "does not answer")
        assert "wrong" not in json.dumps(said)


def test_before_the_migrations_nobody_is_ready(transactional_db: None, tmp_path: Path) -> None:
    name = f"{connection.settings_dict['NAME']}_empty"
    server = psycopg2.connect(processes.environment()["DATABASE_URL"])
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    url = processes.environment()["DATABASE_URL"].replace(f"/{connection.settings_dict['NAME']}", f"/{name}")
    try:
        with run("web", tmp_path / "web.log", DATABASE_URL=url) as web:
            status, said = web.get("/readyz")
            assert (status, said["database"], said["migrations"]) == (503, "ok", "missing: run `manage.py migrate`")
            with processes.running("manage", "migrate", log=tmp_path / "migrate.log", DATABASE_URL=url) as migrate:
                assert migrate.wait(processes.PATIENCE) == 0
            assert web.get("/readyz")[0] == 200
    finally:
        with server.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        server.close()

"""Every line of the log says of which request, reader and task it is, as fields where a program reads them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from pythonjsonlogger.json import JsonFormatter

from labeler import tasks
from labeler.models import Reader, Study
from scoring.platform.log_context import InLog


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Return what is logged from now on, as LOG_FORMAT=json writes it."""
    said: list[dict[str, Any]] = []

    class Kept(io.StringIO):
        def write(self, text: str) -> int:
            said.extend(json.loads(line) for line in text.splitlines() if line)
            return len(text)

    formatters: Any = settings.LOGGING["formatters"]
    about = formatters["json"]
    handler = logging.StreamHandler(Kept())
    handler.setFormatter(JsonFormatter(about["fmt"], datefmt=about["datefmt"]))
    handler.addFilter(InLog())
    root = logging.getLogger()
    root.addHandler(handler)
    yield said
    root.removeHandler(handler)


def test_a_refused_grade_is_logged_with_its_request_and_reader(
    as_ana: Client, study: Study, reader: Reader, lines: list[dict[str, Any]]
) -> None:
    card = as_ana.get(reverse("queue", args=["acne"])).json()["upcoming"][0]
    fields = {"submission": uuid4(), "version": 7, "grade": 3}
    answer = as_ana.post(card["label"], fields, headers={"Accept": "application/json", "X-Request-ID": "asked-1"})
    assert answer.status_code == 409
    (line,) = [line for line in lines if card["label"] in line["message"]]
    assert (line["request"], line["reader"], line["task"]) == ("asked-1", reader.code, "")
    assert "ana" not in json.dumps(line)


def test_a_task_is_logged_with_its_number(db: None, lines: list[dict[str, Any]]) -> None:
    tasks.tick.apply(task_id="task-1")
    (line,) = [line for line in lines if "succeeded" in line["message"]]
    assert (line["task"], line["request"], line["reader"]) == ("task-1", "", "")

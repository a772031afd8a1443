"""Every line of the log says of which request, reader and task it is, as fields where a program reads them."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from hypothesis import example, given
from hypothesis import strategies as st
from pythonjsonlogger.json import JsonFormatter

from labeler import tasks
from labeler.models import Reader, Study
from scoring.platform.log_context import InLog, OneLine
from tests import processes


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


SEALED = "2026-12-01T00:00:00+0000 INFO labeler.record.ledger: Sealed block 7 of the site: " + "f" * 64
BREAKS = (
    "\n",
    "\r",
    "\r\n",
    "\v",
    "\f",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b[2K\x1b[1G",
    "\x00",
    "\x08",
)
CASES = [f"before{one}{SEALED}" for one in BREAKS] + ["\u202egrace", "plain, ä and 顔"]


def written(log: Callable[[logging.Logger], None]) -> str:
    """Return what LOG_FORMAT=line writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    about: Any = settings.LOGGING["formatters"]["line"]  # type: ignore[index]
    handler.setFormatter(OneLine(about["fmt"], datefmt=about["datefmt"]))
    handler.addFilter(InLog())
    logger = logging.getLogger("outside")
    logger.propagate = False
    logger.addHandler(handler)
    log(logger)
    logger.removeHandler(handler)
    return stream.getvalue()


def assert_one_record(text: str) -> None:
    first, *others = text.removesuffix("\n").splitlines()
    assert " outside: " in first
    assert all(line.startswith("    ") for line in others)
    assert all(line.isprintable() for line in (first, *others))


@given(st.text() | st.sampled_from(CASES))
@example("".join(CASES))
def test_nothing_from_outside_begins_a_line(said: str) -> None:
    assert_one_record(written(lambda logger: logger.warning("Not Found: %s", said)))

    def fail(logger: logging.Logger) -> None:
        try:
            raise ValueError(said) from KeyError(said)  # noqa: TRY301  as a program does
        except ValueError:
            logger.exception("It failed")

    assert_one_record(written(fail))


def test_a_path_with_a_line_break_stays_one_line(as_ana: Client, caplog: pytest.LogCaptureFixture) -> None:
    as_ana.get("/read/%0A" + quote(SEALED) + "/")
    (record,) = [one for one in caplog.records if "Sealed block 7" in one.getMessage()]
    assert_one_record(written(lambda logger: logger.handle(logging.makeLogRecord(vars(record) | {"name": "outside"}))))


PROGRAM = """
import io, logging, sys
from PIL import Image
from django.db import connection
exif = Image.Exif()
exif[0x010E] = "Grace Hopper"
stream = io.BytesIO()
Image.new("RGB", (8, 8)).save(stream, "TIFF", exif=exif)
Image.open(stream).load()
for name in ("PIL.TiffImagePlugin", "django.db.backends", "botocore.auth", "urllib3", "celery", "asyncio"):
    logging.getLogger(name).debug("Grace Hopper by %s", name)
logging.getLogger("labeler.record.ledger").debug("said by us")
"""


def test_no_library_says_more_at_debug(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", PROGRAM]
    environment = processes.environment() | {"LOG_LEVEL": "DEBUG"}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "said by us" in ended.stderr
    assert "Grace Hopper" not in ended.stdout + ended.stderr


def test_a_task_is_logged_with_its_number(db: None, lines: list[dict[str, Any]]) -> None:
    tasks.tick.apply(task_id="task-1")
    (line,) = [line for line in lines if "succeeded" in line["message"]]
    assert (line["task"], line["request"], line["reader"]) == ("task-1", "", "")

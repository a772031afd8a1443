"""After a clock was a day early: sign-ins work, sessions end on time, and schedules go on."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from labeler.accounts import sessions
from labeler.accounts.sessions import SignIn
from labeler.celery import app
from labeler.intake import uploads
from labeler.models import User
from labeler.server.beat import Schedule
from tests import builders

DAY = 24 * 3600
PASSWORD = "correct horse battery staple"


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make this process' clock a day early until `undo`."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + DAY)
    return monkeypatch


def sign_in(name: str) -> int:
    return Client().post("/accounts/login/", {"login": name, "password": PASSWORD}).status_code


def test_who_signed_in_by_the_wrong_clock_can_sign_in_by_the_right_one(db: None, early: pytest.MonkeyPatch) -> None:
    cache.clear()
    builders.make_user("ana", password=PASSWORD)
    while sign_in("ana") != 429:
        pass
    early.undo()
    assert sign_in("ana") == 302
    while sign_in("ana") != 429:
        pass


def test_who_was_signing_in_as_the_wrong_clock_was_stopped_can_sign_in_by_the_right_one(ana: User) -> None:
    """Killed, the server left its lock behind, which expires by the wrong clock."""
    ana.set_password(PASSWORD)
    ana.save()
    cache.clear()
    assert sign_in("ana") == 302
    tomorrow = timezone.now() + timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT cache_key FROM cache WHERE cache_key LIKE '%login%'")
        for (name,) in cursor.fetchall():
            cursor.execute(
                "INSERT INTO cache SELECT %s, value, %s FROM cache WHERE cache_key = %s",
                [f"{name}:lock", tomorrow, name],
            )
    assert sign_in("ana") == 302


def test_a_session_of_the_wrong_clock_ends_a_working_day_after_it_was_put_right(ana: User) -> None:
    client = builders.sign_in(Client(), ana)
    session = client.session
    ahead = time.time() + DAY
    SignIn(began=ahead, seen=ahead, role_version=0, proven=ahead, asked=ahead).keep(session)
    assert not sessions.is_recent(session)  # a proof of tomorrow is none
    assert sessions.why_over(session, ana, is_act=False) == ""
    counted = SignIn.of(session)
    assert counted
    assert max(counted.began, counted.seen, counted.asked) <= time.time()


def test_a_worker_that_is_a_day_early_takes_nothing_that_is_being_sent(
    db: None, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    uploads.clean_up()
    being_sent = settings.VAR_DIR / "uploads" / "its row is not committed yet"
    being_sent.touch()
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(days=1))
    uploads.clean_up()
    assert being_sent.exists()
    being_sent.unlink()


def test_beat_goes_on_where_its_clock_was_a_day_early(tmp_path: Path) -> None:
    file = str(tmp_path / "schedule")
    wrong = Schedule(app, schedule_filename=file)
    for entry in wrong.schedule.values():
        entry.last_run_at = entry.default_now().replace(year=entry.default_now().year + 1)
    wrong.close()
    stored = json.loads(Path(file).read_text())
    assert stored.keys() == wrong.schedule.keys()
    assert all(datetime.fromisoformat(last_run) > timezone.now() for last_run in stored.values())
    right = Schedule(app, schedule_filename=file)
    assert right.tick() <= 60
    assert all(entry.last_run_at and entry.last_run_at <= entry.default_now() for entry in right.schedule.values())
    right.close()

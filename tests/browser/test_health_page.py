"""The health page in headless Chromium: what was set aside says why, and is tried again by a button."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from labeler.intake import uploads
from labeler.models import AuditEvent, Erasure, Study, StudyJob, User
from labeler.privacy import erasing
from labeler.studies import study_jobs
from scoring.platform import jobs
from tests import builders
from tests.browser.test_admin_pages import PASSWORD, violations
from training.models import TrainingRun
from training.runs import retrain

WHY = "Study acne has no golden set, so nothing could judge a regressor. Draw it: manage.py draw_golden acne SIZE."


@pytest.fixture
def set_aside(transactional_db: None) -> Study:
    """Return a study with a run, an erasure, a study job and a file of an import that failed."""
    User.objects.create_superuser("root", password=PASSWORD)
    study = builders.make_study(images=4)
    retrain.request(study=study)
    erasing.request(study=study, images=study.images.filter(pk=study.images.first().pk), reason="They asked.", by=None)  # type: ignore[union-attr]
    study_jobs.request(study=study, kind=study_jobs.Kind.DUPLICATES, by=None)
    now = timezone.now()
    ended = {"state": "failed", "started_at": now - timedelta(minutes=5), "finished_at": now}
    TrainingRun.objects.update(error=WHY, **ended)
    for rows in (Erasure.objects, StudyJob.objects):
        rows.update(error=jobs.GIVEN_UP, **ended)
    into = uploads.begin(study=study, by=User.objects.get(username="root"))
    into.files.create(name="IMG_1.jpg", state="refused", attempts=4, reason=uploads.GIVEN_UP)
    uploads.finish(into)
    return study


def open_as_root(page: Page) -> None:
    page.goto("/health/")
    page.get_by_label("User name").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/health/")


def test_what_was_set_aside_is_tried_again_by_a_button(page: Page, set_aside: Study, tmp_path: Path) -> None:
    open_as_root(page)
    items = page.locator(".set-aside li")
    expect(items).to_have_count(4)
    for why in (WHY, jobs.GIVEN_UP, uploads.GIVEN_UP):
        expect(page.locator(".set-aside")).to_contain_text(why)
    assert violations(page) == []
    for width in (1440, 1024, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        page.screenshot(path=tmp_path / f"health-{width}.png", full_page=True)

    waits = {"erasure": "It waits for a worker", "run": "Waiting for a worker", "study job": "it waits for a worker"}
    for name, said in {**waits, "import": "Files"}.items():
        page.goto("/health/")
        before = items.count()
        page.get_by_role("button", name=f"Try {name}").click()
        expect(page.locator("main")).to_contain_text(said)
        page.goto("/health/")
        expect(items).to_have_count(before - 1)
    states = {rows.get().state for rows in (TrainingRun.objects, Erasure.objects, StudyJob.objects)}
    assert states == {"queued"}
    acts = set(AuditEvent.objects.filter(user__username="root").values_list("action", flat=True))
    tried = {f"tried {what} again" for what in ("an erasure", "a study job", "an import")}
    assert tried | {"asked for retraining"} <= acts

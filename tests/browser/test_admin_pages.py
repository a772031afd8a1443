"""What the person who runs a study sees, in headless Chromium under the real security policy."""

import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from labeler.grading import label_store, queries
from labeler.models import Study
from tests import builders, processes
from training.models import TrainingRun

PASSWORD = "correct horse battery staple"


@pytest.fixture
def graded(transactional_db: None) -> Study:
    """Return a study that olga runs; ana and ben have graded all of it, a little apart."""
    readers = tuple(builders.make_user(name) for name in ("ana", "ben"))
    study = builders.make_study(readers=readers, images=12, golden_size=6)
    study.admins.add(builders.make_user("olga", password=PASSWORD))
    for shift, reader in enumerate(study.readers.all()):
        for place, assignment in enumerate(queries.upcoming(reader)):
            grade = 1 + (assignment.image_id + shift * (place % 2)) % 5
            label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=grade)
    return study


def open_as_olga(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("User name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{address}")


def violations(page: Page) -> list[tuple[str, str]]:
    found = Axe().run(page).response["violations"]
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in found]


def test_a_study_is_planned_and_everyone_can_do_it(page: Page, graded: Study) -> None:
    open_as_olga(page, "/plan/")
    page.get_by_role("spinbutton", name="Golden images").fill("350")
    page.get_by_role("button", name="Simulate").click()
    page.wait_for_url("**golden=350**")
    expect(page.get_by_role("row", name="THIS DESIGN 350")).to_be_visible()
    chart = page.get_by_role("img", name="Interval width against golden images")
    expect(chart).to_be_visible()
    points = chart.locator(":scope > :has(title)")
    expect(points).to_have_count(3 * 8)
    assert all(point.bounding_box() for point in points.all())
    assert violations(page) == []


def test_the_export_is_downloaded_for_a_reason(page: Page, graded: Study, tmp_path: Path) -> None:
    open_as_olga(page, "/studies/acne/")
    page.get_by_role("link", name="Export everything").click()
    page.get_by_label("Why do you need to know?").fill("The study is over and we analyse it.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Show me what is golden").click()
    download.value.save_as(tmp_path / "acne.zip")
    assert "labels.csv" in zipfile.ZipFile(tmp_path / "acne.zip").namelist()


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_page_scrolls_sideways_and_everyone_can_use_it(page: Page, graded: Study, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_as_olga(page, "/")
    for address in ("/", "/plan/", "/studies/acne/", "/studies/acne/report/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert violations(page) == []


def test_without_a_broker_people_sign_in_and_a_run_is_kept(browser: Browser, graded: Study, tmp_path: Path) -> None:
    with processes.web(tmp_path / "web.log", REDIS_URL="redis://127.0.0.1:1/0") as served:
        page = browser.new_page(base_url=served.address)
        open_as_olga(page, "/studies/acne/report/")
        page.get_by_role("button", name="Retrain").click()
        expect(page.get_by_role("status")).to_contain_text("The run is kept and starts when the queue is back.")
        page.close()
    assert TrainingRun.objects.get().state == TrainingRun.State.QUEUED


def test_everyone_can_use_the_studys_page(page: Page, graded: Study) -> None:
    open_as_olga(page, "/studies/acne/")
    expect(page.get_by_role("row", name="R02")).to_contain_text("ben")
    assert violations(page) == []

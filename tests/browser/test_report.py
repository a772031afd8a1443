"""The report in headless Chromium under the real security policy: drawn by the server, usable without a pointer."""

import csv
import json
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import call_command
from PIL import Image as PillowImage
from playwright.sync_api import Page, expect

from labeler.grading import label_store, queries
from labeler.models import Study, User
from labeler.studies import closing
from tests import builders
from tests.browser.test_admin_pages import PASSWORD, open_as_olga, violations
from tests.training.builders import finish_run

CHARTS = [
    "errors",
    "against",
    "scatter",
    "confusion",
    "differences",
    "calibration",
    "agreement",
    "confusions",
    "drift",
    "history",
]
OF_POINTS = {"scatter", "differences"}  # shown to the unblinded


@pytest.fixture
def graded(transactional_db: None) -> Study:
    """Return a study that olga runs, graded by three readers and with a run that judged a machine."""
    readers = tuple(builders.make_user(name, password=PASSWORD) for name in ("ana", "ben", "dora"))
    study = builders.make_study(readers=readers, images=60, golden_size=24)
    study.admins.add(builders.make_user("olga", password=PASSWORD))
    for shift, reader in enumerate(study.readers.all()):
        for place, assignment in enumerate(queries.upcoming(reader)):
            grade = 1 + (assignment.image_id + shift * (place % 2)) % 5
            label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=grade)
    finish_run(study, published=True)
    study.images.update(original="")  # they came with their labels alone
    return study


def test_every_chart_is_drawn_and_everyone_can_use_the_page(page: Page, graded: Study) -> None:
    open_as_olga(page, "/studies/acne/report/")
    for name in sorted(set(CHARTS) - OF_POINTS):
        picture = page.locator(f"#{name} .for-pages svg, #{name} .drawing:not(.for-phones) svg").first
        expect(picture).to_be_visible()
        assert picture.locator("rect, circle, polyline, line").count() > 5
    assert violations(page) == []


def test_on_a_phone_charts_are_drawn_for_it(page: Page, graded: Study) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    open_as_olga(page, "/studies/acne/report/")
    expect(page.locator("#errors .for-phones svg")).to_be_visible()
    expect(page.locator("#errors .for-pages svg")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_table_that_is_downloaded_has_the_commands_numbers(
    page: Page, graded: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_as_olga(page, "/studies/acne/report/")
    with page.expect_download() as download:
        page.locator("#errors").get_by_role("link", name="CSV").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    call_command("report", "acne", "--json")
    report = json.loads(capsys.readouterr().out)
    with file.open(newline="") as table:
        rows = {row["who"]: row for row in csv.DictReader(table)}
    assert {code: float(rows[code]["value"]) for code in ("R01", "R02", "R03")} == {
        reader["code"]: reader["rmse"]["value"] for reader in report["readers"]
    }
    assert float(rows["machine"]["value"]) == report["machine_run"]["machine"]["golden_rmse"]["value"]


def test_a_chart_is_downloaded_as_png(page: Page, graded: Study, tmp_path: Path) -> None:
    open_as_olga(page, "/studies/acne/report/")
    with page.expect_download() as download:
        page.locator("#confusion").get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename == "acne-confusion.png"
    file = tmp_path / "confusion.png"
    download.value.save_as(file)
    picture = PillowImage.open(file).convert("RGB")
    assert picture.width == 3 * 420
    assert len(picture.getcolors(1 << 20) or []) > 20


def test_a_point_opens_its_image_and_its_grades_after_unblinding(page: Page, graded: Study) -> None:
    open_as_olga(page, "/studies/acne/report/")
    for name in OF_POINTS:
        assert page.locator(f"#{name} svg").count() == 0
        expect(page.locator(f"#{name}")).to_contain_text("Each point is a golden image")
    page.get_by_role("link", name="Unblind, for a reason").first.click()
    page.get_by_label("Why do you need to know?").fill("To look at what lies far off the line.")
    page.get_by_role("button").filter(has_not_text="Sign out").click()
    page.wait_for_url("**/report/")
    for name in OF_POINTS:
        assert page.locator(f"#{name} svg").first.locator("circle").count() > 5
    page.locator("#scatter svg a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/images/*/")
    expect(page.get_by_role("row", name="R01")).to_be_visible()


def test_the_printed_report_has_everything_on_paper(page: Page, graded: Study, tmp_path: Path) -> None:
    open_as_olga(page, "/studies/acne/report/print/")
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print, or save as PDF")).to_be_hidden()
    expect(page.locator("#errors svg").first).to_be_visible()
    expect(page.get_by_role("row", name="Verdict")).to_be_visible()
    assert page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)[:5] == b"%PDF-"


def test_a_reader_sees_how_they_graded_once_it_is_released(page: Page, graded: Study) -> None:
    olga = User.objects.get(username="olga")
    closing.close(study=graded, by=olga, reason="Everybody is done.")
    open_as_olga(page, "/studies/acne/report/")
    page.get_by_role("button", name="Give each reader their own report").click()
    expect(page.get_by_text("Every reader now sees their own report")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="How you graded").click()
    expect(page.get_by_role("heading", name="What R01 calls what")).to_be_visible()
    expect(page.get_by_role("heading", name="The images discussed most")).to_be_visible()
    expect(page.get_by_text("R02")).to_have_count(0)
    assert violations(page) == []

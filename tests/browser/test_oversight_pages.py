"""Oversight and the gallery in headless Chromium: they follow the study, and everyone can use them."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.grading import label_store, queries
from labeler.models import Study
from labeler.oversight import tallies
from labeler.studies import studies
from tests import builders
from tests.browser.test_admin_pages import PASSWORD, open_as_olga, violations

SOON = 15_000  # ms: the page asks every five seconds


@pytest.fixture
def watched(transactional_db: None, tmp_path: Path) -> Study:
    """Return a study of photographs that olga runs; ana and ben disagree on its golden images."""
    study = studies.create(slug="acne", title="The acne study", seed=2019, secret=builders.SECRET)
    study.admins.add(builders.make_user("olga", password=PASSWORD))
    for name in ("ana", "ben"):
        studies.add_reader(study=study, user=builders.make_user(name))
    builders.import_photographs(study, {f"IMG_{n}.jpg": builders.make_jpeg(n) for n in range(8)}, tmp_path)
    golden_draw.draw(study=study, size=4)
    folds.deal(study=study)
    for grade, reader in zip((1, 4), study.readers.all(), strict=True):
        for assignment in reader.assignments.filter(image__is_golden=True):
            label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=grade)
    count(study)
    return study


def count(study: Study) -> None:
    for _ in range(2):
        tallies.count(study, settled=timedelta(0))


def test_the_page_follows_the_study_without_a_reload(page: Page, watched: Study) -> None:
    open_as_olga(page, "/studies/acne/oversight/")
    expect(page.get_by_role("row", name="R01 ana")).to_contain_text("4")
    bars = page.get_by_role("img", name="Labels per day").locator("rect")
    expect(bars).to_have_count(1)
    expect(bars.locator("title")).to_contain_text(": 8 labels")
    page.evaluate("window.isTheSamePage = true")
    reader = watched.readers.get(code="R01")
    assignment = queries.upcoming(reader)[0]
    label_store.record_label(assignment=assignment, version=0, submission=uuid4(), not_gradable="blurred")
    count(watched)
    ana = page.locator("[data-reader=R01]")
    expect(ana.locator("[data-cell=done]")).to_have_text("5", timeout=SOON)
    expect(ana.locator("[data-cell=reasons]")).to_have_text("Blurred 1", timeout=SOON)
    expect(page.locator("[data-part=days]")).to_contain_text("9")
    expect(bars.locator("title")).to_contain_text(": 9 labels")
    assert page.evaluate("window.isTheSamePage")
    assert violations(page) == []


def test_nothing_is_asked_while_nobody_looks(page: Page, watched: Study) -> None:
    page.clock.install()
    open_as_olga(page, "/studies/acne/oversight/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/now/"):
        page.clock.fast_forward(6000)
    hide(page, hidden=True)
    asked.clear()
    page.clock.fast_forward(60_000)
    assert asked == []
    with page.expect_response("**/now/"):
        hide(page, hidden=False)
    with page.expect_response("**/now/") as again:
        page.clock.fast_forward(6000)
    assert again.value.status == 304


def hide(page: Page, *, hidden: bool) -> None:
    """Put another tab before the page, or take it away: headless Chromium can't."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def unblind(page: Page) -> None:
    """Give a reason to see what is golden, and come to the study's page."""
    page.goto("/studies/acne/unblind/")
    page.get_by_label("Why do you need to know?").fill("The study is over.")
    page.get_by_role("button", name="Show me what is golden").click()
    page.wait_for_url("**/studies/acne/")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_page_of_oversight_scrolls_sideways(page: Page, watched: Study, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_as_olga(page, "/studies/acne/oversight/")
    unblind(page)
    image = watched.images.earliest("pk").pk
    for address in ("oversight/", "gallery/", "disputed/", "unstable/", "log/", "unblind/", f"images/{image}/"):
        page.goto(f"/studies/acne/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_the_pages_that_show_images(browser: Browser, site: str, watched: Study, scheme: str) -> None:
    context = browser.new_context(base_url=site, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    open_as_olga(page, "/studies/acne/")
    unblind(page)
    found = []
    for name in ("Gallery", "Unstable", "Audit log", "Disputed"):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        found += violations(page)
    thumbnail = page.get_by_role("main").get_by_role("img").first
    expect(thumbnail).to_have_js_property("complete", value=True)
    assert thumbnail.evaluate("image => image.naturalWidth") > 0
    thumbnail.click()
    expect(page.get_by_role("row", name="R01")).to_contain_text("1")
    found += violations(page)
    page.goto("/studies/acne/unblind/")
    found += violations(page)
    assert found == []
    context.close()


def test_the_gallery_filters_and_shows_golden_for_a_reason(page: Page, watched: Study) -> None:
    open_as_olga(page, "/studies/acne/gallery/")
    images = page.locator(".gallery li")
    expect(images).to_have_count(8)
    expect(page.get_by_label("Reader")).to_have_count(0)
    page.get_by_role("link", name="Unblind, for a reason").click()
    page.get_by_label("Why do you need to know?").fill("The study is over.")
    page.get_by_role("button", name="Show me what is golden").click()
    page.get_by_label("Reader").select_option(label="R02")
    page.get_by_label("Grade").select_option(label="4 Moderate")
    page.get_by_role("button", name="Show").click()
    expect(images).to_have_count(4)
    page.get_by_role("link", name="Show all").click()
    page.get_by_label("Golden").select_option(label="Ordinary")
    page.get_by_role("button", name="Show").click()
    expect(images).to_have_count(4)
    assert violations(page) == []

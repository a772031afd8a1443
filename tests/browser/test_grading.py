"""A reader grades in headless Chromium, and the database has it."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from labeler.models import Label, Reader
from tests.browser.reading import ON_SCREEN, make_reader, press, saved, sign_in, start_grading


@pytest.fixture
def reader(transactional_db: None, tmp_path: Path) -> Reader:
    """Return a reader with six photographs to grade."""
    return make_reader(tmp_path)


@pytest.fixture
def large_photographs(transactional_db: None, tmp_path: Path) -> Reader:
    """Return a reader whose photographs have more pixels than a window."""
    return make_reader(tmp_path, size=(2100, 2800))


def test_three_keys_are_three_labels(page: Page, reader: Reader) -> None:
    start_grading(page)
    press(page, "2", then="Graded Almost clear, image 1 of 6")
    press(page, "3", then="Graded Mild, image 2 of 6")
    press(page, "5", then="Graded Severe, image 3 of 6")
    assert saved(page, 3) == [(1, 2, "", False), (2, 3, "", False), (3, 5, "", False)]


def test_a_key_gives_the_grade_that_it_names_on_a_scale_with_gaps(page: Page, reader: Reader) -> None:
    reader.study.grade_levels.filter(value__in=[1, 3]).delete()
    start_grading(page)
    press(page, "2", then="Graded Almost clear, image 1 of 6")
    page.keyboard.press("3")
    press(page, "5", then="Graded Severe, image 2 of 6")
    assert saved(page, 2) == [(1, 2, "", False), (2, 5, "", False)]


def test_undo_shows_the_image_again_and_keeps_history(page: Page, reader: Reader) -> None:
    start_grading(page)
    first = page.locator(ON_SCREEN).get_attribute("src")
    press(page, "2", then="Graded Almost clear")
    press(page, "u", then="Taken back")
    assert page.locator(ON_SCREEN).get_attribute("src") == first
    press(page, "4", then="Graded Moderate, image 1 of 6")
    assert saved(page, 3) == [(1, 2, "", False), (1, None, "", True), (1, 4, "", False)]


def test_not_gradable_takes_two_keys(page: Page, reader: Reader) -> None:
    start_grading(page)
    expect(page.locator("[data-picture][data-painted]")).to_be_attached()
    page.keyboard.press("n")
    press(page, "2", then="Not gradable: badly lit")
    assert saved(page, 1) == [(1, None, "badly_lit", False)]


def test_grades_given_while_the_network_is_cut_arrive_once(page: Page, context: BrowserContext, reader: Reader) -> None:
    start_grading(page)
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    press(page, "1", then="image 1 of 6")
    press(page, "2", then="image 2 of 6")
    expect(page.locator("[data-notice]")).to_contain_text("waiting to be saved")
    assert Label.objects.count() == 0
    context.set_offline(False)
    expect(page.locator("[data-notice]")).to_be_hidden()
    assert saved(page, 2) == [(1, 1, "", False), (2, 2, "", False)]


def test_the_list_ends_with_thanks_and_resumes_on_another_visit(page: Page, reader: Reader) -> None:
    start_grading(page)
    for number in range(1, 4):
        press(page, "3", then=f"image {number} of 6")
    assert len(saved(page, 3)) == 3
    page.goto("/")
    expect(page.get_by_text("3 of 6 images graded")).to_be_visible()
    page.get_by_role("link", name="Go on grading").click()
    for number in range(4, 7):
        press(page, "3", then=f"image {number} of 6" if number < 6 else "")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert len(saved(page, 6)) == 6


def test_the_page_works_without_scripts(context: BrowserContext, site: str, reader: Reader) -> None:
    plain = context.browser.new_context(base_url=site, java_script_enabled=False)  # type: ignore[union-attr]
    page = plain.new_page()
    page.goto("/")
    sign_in(page)
    page.get_by_role("link", name="Start grading").click()
    page.get_by_role("button", name="Mild").click()
    expect(page.get_by_role("heading", name="2 of 6")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="1 of 6")).to_be_visible()
    assert saved(page, 2) == [(1, 3, "", False), (1, None, "", True)]
    plain.close()


def test_everyone_can_use_the_pages(page: Page, reader: Reader) -> None:
    page.goto("/accounts/login/")
    found = Axe().run(page).response["violations"]
    page.goto("/")
    sign_in(page)
    expect(page.get_by_role("heading", name="Your reading lists")).to_be_visible()
    found += Axe().run(page).response["violations"]
    page.get_by_role("link", name="grading").click()
    expect(page.locator(ON_SCREEN)).to_be_visible()
    for key in ("", "n", "Escape", "?"):
        if key:
            page.keyboard.press(key)
        found += Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []


def test_zooming_in_brings_every_pixel(page: Page, large_photographs: Reader) -> None:
    start_grading(page)
    expect(page.locator("[data-picture][data-painted]")).to_be_attached()
    width = "image => image.naturalWidth"
    assert page.locator(ON_SCREEN).evaluate(width) == 1200
    page.keyboard.press("z")
    expect(page.locator("[data-scale]")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("+")
    expect(page.locator(f"{ON_SCREEN}[data-detail]")).to_be_attached()
    assert page.locator(ON_SCREEN).evaluate(width) == 2100

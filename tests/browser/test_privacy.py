"""A subject is erased while a reader has the study open; and the pages on which that happens, by axe."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from labeler.grading import queries
from labeler.models import Erasure, Image, Label, Reader
from labeler.privacy import erasing
from scoring.platform import jobs
from tests import builders
from tests.browser.reading import PASSWORD, make_reader, press, start_grading
from tests.browser.test_for_everyone import violations


@pytest.fixture
def reader(transactional_db: None, tmp_path: Path) -> Reader:
    return make_reader(tmp_path, images=10)


def erase(reader: Reader, image: Image) -> Erasure:
    asked = erasing.request(study=reader.study, images=Image.objects.filter(pk=image.pk), reason="By letter.", by=None)
    erasure = jobs.claim(Erasure, asked.pk)
    assert erasure is not None
    erasing.erase(erasure)
    return erasure


@pytest.mark.provokes("410")
def test_a_page_that_is_open_passes_over_who_was_erased(page: Page, reader: Reader) -> None:
    fetched, gone = (list(queries.upcoming(reader))[place] for place in (1, 6))
    start_grading(page)
    press(page, "3", then="Graded Mild, image 1 of 10")
    expect(page.locator("[data-picture] img")).to_be_visible()
    for assignment in (fetched, gone):
        erase(reader, assignment.image)
    page.keyboard.press("4")  # of the image on the screen, which is erased meanwhile
    expect(page.locator("[data-notice]")).to_contain_text("took their consent back")
    expect(page.locator("[data-progress]")).to_have_text("2 of 8")
    for number in range(2, 9):
        press(page, "2", then=f"image {number} of 8" if number < 8 else "")  # the last leads to another page
    expect(page.get_by_role("heading", name="You graded all 8 images")).to_be_visible()
    assert Label.objects.count() == 8
    assert not Label.objects.filter(assignment__in=[fetched, gone]).exists()


def test_the_pages_of_privacy_are_for_everyone(page: Page, reader: Reader) -> None:
    study = reader.study
    study.admins.add(builders.make_user("olga", password=PASSWORD))
    image, other = study.images.order_by("pk")[:2]
    Image.objects.filter(pk=other.pk).update(subject="P1")
    erasure = erase(reader, image)
    page.goto("/")
    page.get_by_label("User name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    for path in (
        "privacy/",
        f"images/{other.pk}/person/",
        f"images/{other.pk}/erase/",
        f"erasures/{erasure.pk}/",
        "log/",
    ):
        page.goto(f"/studies/acne/{path}")
        for width in (1440, 1024, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} at {width}"
        assert violations(page) == [], path

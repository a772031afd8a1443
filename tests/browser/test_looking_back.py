"""A reader looks back at a list that they finished, changes an answer and writes a comment."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from labeler.models import Label, Reader
from tests.browser.reading import make_reader, press, saved, start_grading


@pytest.fixture
def reader(transactional_db: None, tmp_path: Path) -> Reader:
    return make_reader(tmp_path)


def test_after_the_end_every_answer_can_be_looked_at_changed_and_commented_on(page: Page, reader: Reader) -> None:
    start_grading(page)
    for number in range(1, 7):
        press(page, "3", then=f"image {number} of 6" if number < 6 else "")
    page.get_by_role("link", name="Look back").click()
    expect(page.get_by_role("heading", name="What you graded")).to_be_visible()
    for image in page.locator(".graded img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", value=True)
        assert image.evaluate("image => image.naturalWidth") == 600
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    second = page.get_by_role("form", name="Image 2")
    second.get_by_role("button", name="5 Severe").click()
    expect(page.get_by_text("Image 2 of 6: your answer is changed.")).to_be_visible()
    fourth = page.get_by_role("form", name="Image 4")
    fourth.get_by_label("Comment").fill("A scar on the chin.")
    fourth.get_by_label("Comment").press("Enter")  # does nothing: Enter must not give a grade
    fourth.get_by_role("button", name="Keep the comment").click()
    expect(page.get_by_text("Image 4 of 6: your answer is changed.")).to_be_visible()
    expect(fourth.get_by_label("Comment")).to_have_value("A scar on the chin.")
    assert saved(page, 8)[6:] == [(2, 5, "", False), (4, 3, "", False)]
    assert Label.objects.latest("pk").note == "A scar on the chin."

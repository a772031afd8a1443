"""The grading page by keyboard alone, by touch, on every screen, by day and by night."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from labeler.models import Label, Reader, Study
from labeler.studies import atlas
from scoring.photograph import decoding
from tests import builders
from tests.browser.reading import PAINTED, PASSWORD, await_look, await_saved, make_reader, press, sign_in, start_grading

SCREENS = {
    "phone": (390, 844),
    "phone on its side": (844, 390),
    "tablet": (820, 1180),
    "tablet on its side": (1180, 820),
    "laptop": (1440, 900),
    "4K": (3840, 2160),
}
FINGER = 44  # CSS pixels: what a finger hits


@pytest.fixture
def reader(transactional_db: None, tmp_path: Path) -> Reader:
    reader = make_reader(tmp_path, images=24)
    for level in reader.study.grade_levels.all():
        atlas.add_picture(
            level=level, pixels=decoding.decode(builders.make_jpeg(100 + level.value)), caption="An example"
        )
    return reader


@pytest.fixture
def tablet(browser: Browser, site: str) -> Iterator[BrowserContext]:
    width, height = SCREENS["tablet"]
    context = browser.new_context(
        base_url=site,
        viewport={"width": width, "height": height},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    )
    yield context
    context.close()


def violations(page: Page) -> list[tuple[str, str]]:
    found = Axe().run(page).response["violations"]
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in found]


def tab_to(page: Page, target: Locator) -> None:
    for _ in range(30):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"Tab never came to {target}.")


def test_everything_by_keyboard_from_sign_in_to_look_back(page: Page, reader: Reader) -> None:
    page.goto("/")
    expect(page.locator("#id_login")).to_be_focused()  # the browser does that when it paints
    page.keyboard.type("ana")
    tab_to(page, page.get_by_label("Password"))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Start grading"))
    page.keyboard.press("Enter")
    press(page, "3", then="Graded Mild, image 1 of 24")
    expect(page.locator("[data-status]")).to_have_text("Graded Mild, image 1 of 24")
    await_look(page)
    tab_to(page, page.get_by_role("button", name="Severe"))
    press(page, "Enter", then="Graded Severe, image 2 of 24")
    press(page, "?", then="")
    expect(page.get_by_role("heading", name="Grading scale")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Grading scale")).to_be_hidden()
    press(page, "ArrowLeft", then="An image you graded.")
    press(page, "4", then="Graded Moderate, image 2 of 24")
    press(page, "Backspace", then="Taken back")
    press(page, "n", then="")
    press(page, "1", then="Not gradable: blurred, image 2 of 24")
    await_saved(page)
    assert list(Label.objects.values_list("assignment__position", "grade", "is_undo")) == [
        (1, 3, False),
        (2, 5, False),
        (2, 4, False),
        (2, None, True),
        (2, None, False),
    ]
    assert set(Label.objects.filter(is_undo=False).values_list("input_kind", flat=True)) == {"keyboard"}


def test_twenty_images_by_touch_with_a_tablet_that_is_turned(tablet: BrowserContext, reader: Reader) -> None:
    page = tablet.new_page()
    start_grading(page)
    names = ["Clear", "Almost clear", "Mild", "Moderate", "Severe"] * 4
    for number, name in enumerate(names, start=1):
        if number == 11:
            width, height = SCREENS["tablet on its side"]
            page.set_viewport_size({"width": width, "height": height})
        await_look(page)
        page.get_by_role("button", name=name, exact=True).tap()
        expect(page.locator("[data-said]")).to_have_text(f"Graded {name}, image {number} of 24")
    await_saved(page)
    labels = Label.objects.all()
    assert [label.grade for label in labels] == [1, 2, 3, 4, 5] * 4
    assert {label.input_kind for label in labels} == {"touch"}
    assert {(label.viewport_width, label.pixel_ratio) for label in labels} == {(820, 2.0), (1180, 2.0)}


def test_two_fingers_zoom_and_the_label_tells(tablet: BrowserContext, reader: Reader) -> None:
    page = tablet.new_page()
    start_grading(page)
    fingers = tablet.new_cdp_session(page)

    def touch(kind: str, *points: tuple[int, int]) -> None:
        fingers.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]},
        )

    touch("touchStart", (400, 500), (420, 500))
    for spread in range(20, 220, 20):
        touch("touchMove", (400 - spread, 500), (420 + spread, 500))
    touch("touchEnd")
    expect(page.locator("[data-scale]")).to_be_visible()
    page.get_by_role("button", name="Mild").tap()
    await_saved(page)
    zoom = Label.objects.get().zoom
    assert zoom is not None
    assert zoom > 1.5


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_fits_every_screen(page: Page, reader: Reader, screen: str) -> None:
    width, height = SCREENS[screen]
    page.set_viewport_size({"width": width, "height": height})
    start_grading(page)
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        width,
        height,
    ]
    for button in page.locator("[data-row] button, .strip .tool").all():
        box = button.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= FINGER
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    stage = page.locator("[data-stage]").bounding_box()
    assert stage
    assert stage["height"] > height / 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_anyones_way(browser: Browser, site: str, reader: Reader, scheme: str) -> None:
    context = browser.new_context(base_url=site, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    found = []
    for address in ("/accounts/login/", "/offline/", "/nowhere/"):
        page.goto(address)
        found += violations(page)
    start_grading(page)
    for keys in ([], ["n"], ["Escape", "?"], ["?", "b"], ["b", "3", "ArrowLeft"]):
        for key in keys:
            await_look(page)
            page.keyboard.press(key)
        found += violations(page)
    context.set_offline(True)
    await_look(page)
    page.keyboard.press("2")
    expect(page.locator("[data-notice]")).to_be_visible()
    found += violations(page)
    context.set_offline(False)
    await_saved(page)
    for address in ("/", "/signed-in/", "/nowhere/"):
        page.goto(address, wait_until="commit")
        found += violations(page)
    assert found == []
    context.close()


def test_the_finished_page_is_for_everyone_too(page: Page, reader: Reader) -> None:
    last = reader.assignments.get(position=24)
    reader.assignments.exclude(pk=last.pk).update(is_done=True)
    start_grading(page)
    await_look(page)
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert violations(page) == []


def test_a_long_sitting_ends_with_a_hint_to_rest(page: Page, reader: Reader) -> None:
    page.clock.install()
    start_grading(page)
    hint = page.locator("[data-break]")
    for _ in range(12):
        expect(page.locator(PAINTED)).to_be_attached()
        page.keyboard.press("2")
        expect(hint).to_be_hidden()
        await_saved(page)  # a request that four minutes pass over is given up, and its grade waits
        page.clock.fast_forward("03:50")
    expect(page.locator(PAINTED)).to_be_attached()
    page.keyboard.press("2")
    expect(hint).to_contain_text("You have graded for 45 minutes.")
    page.get_by_role("button", name="Go on").click()
    expect(hint).to_be_hidden()


def test_the_scale_stands_beside_the_image_and_grading_goes_on(page: Page, reader: Reader) -> None:
    start_grading(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.keyboard.press("?")
    expect(page.get_by_role("img", name="An example of severe")).to_be_visible()
    image, sheet = page.locator("[data-stage]").bounding_box(), page.locator("#help").bounding_box()
    assert image
    assert sheet
    assert image["x"] + image["width"] <= sheet["x"]
    press(page, "3", then="Graded Mild")
    await_saved(page)


def test_an_admin_fills_the_atlas(page: Page, site: str, reader: Reader, tmp_path: Path) -> None:
    Study.objects.get().admins.add(reader.user)
    picture = tmp_path / "nodules.jpg"
    picture.write_bytes(builders.make_jpeg(7))
    page.goto("/studies/acne/atlas/")
    sign_in(page)
    page.get_by_label("Grade").select_option(label="5 Severe")
    page.get_by_label("Picture").set_input_files(picture)
    page.get_by_label("Caption").fill("Nodules on both cheeks")
    page.get_by_role("button", name="Add to the atlas").click()
    expect(page.get_by_text("Nodules on both cheeks")).to_be_visible()
    expect(page.get_by_role("img", name="An example of severe")).to_have_count(2)
    assert violations(page) == []

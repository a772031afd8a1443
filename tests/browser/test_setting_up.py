"""Setting a study up in headless Chromium: files sent in pieces, golden set, readers, dealing, for everyone."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from labeler.intake import uploads
from labeler.models import Image, Intake, Study
from labeler.studies import studies
from tests import builders
from tests.browser.test_admin_pages import PASSWORD, open_as_olga, violations

PAGES = ("", "images/", "imports/{}/", "golden/?size=3", "readers/", "dealing/", "close/")
SOON = 15_000  # ms


@pytest.fixture
def empty(transactional_db: None) -> Study:
    study = studies.create(slug="acne", title="The acne study", seed=2019, secret=builders.SECRET)
    study.admins.add(builders.make_user("olga", password=PASSWORD))
    return study


def write_files(folder: Path) -> list[Path]:
    """Write two photographs, a file that is none, and a zip of six photographs."""
    (folder / "note.jpg").write_bytes(b"<html>hello</html>")
    for number in (1, 2):
        (folder / f"IMG_{number}.jpg").write_bytes(builders.make_jpeg(number))
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        for number in range(3, 9):
            archive.writestr(f"day 2/IMG_{number}.jpg", builders.make_jpeg(number))
    return sorted(folder.iterdir())


def test_files_are_sent_in_pieces_go_on_after_a_reload_and_are_watched(
    page: Page, empty: Study, tmp_path: Path
) -> None:
    files = write_files(tmp_path)
    open_as_olga(page, "/studies/acne/images/")
    page.route("**/upload/?name=more.zip*", lambda route: route.abort())
    page.get_by_label("Photographs or zips").set_input_files(files)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-status]")).to_contain_text("Trying again", timeout=SOON)
    page.unroute("**/upload/?name=more.zip*")
    page.reload()
    page.get_by_label("Photographs or zips").set_input_files(files)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Workers import the files.")).to_be_visible(timeout=SOON)
    uploads.import_waiting(Intake.objects.get())
    expect(page.get_by_text("It is over.")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("row", name="note.jpg")).to_contain_text("not a JPEG")
    assert empty.images.count() == 8


def test_a_study_is_set_up_and_everyone_can_do_it(page: Page, empty: Study, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"IMG_{number}.jpg").write_bytes(builders.make_jpeg(number))
    open_as_olga(page, "/studies/acne/images/")
    page.get_by_label("Photographs or zips").set_input_files(sorted(tmp_path.iterdir()))
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/imports/**")
    uploads.import_waiting(Intake.objects.get())
    assert faults(page) == []
    page.goto("/studies/acne/golden/?size=3")
    page.get_by_role("button", name="Draw and freeze").click()
    expect(page.get_by_role("heading", name="The promise")).to_be_visible()
    for name in ("maria", "jan"):
        page.goto("/studies/acne/readers/")
        page.get_by_label("User name").fill(name)
        page.get_by_role("button", name="Add reader").click()
        expect(page.get_by_text("password, shown this once")).to_be_visible()
    page.goto("/studies/acne/dealing/?repeats=2")
    assert violations(page) == []
    page.get_by_role("button", name="Deal exactly these lists").click()
    expect(page.get_by_text("The study is dealt.")).to_be_visible()
    assert sorted(reader.assignments.count() for reader in empty.readers.all()) == [9, 10]
    assert faults(page) == []


def faults(page: Page) -> list[object]:
    """Return what is wrong with any of the pages on a screen and on a phone."""
    found: list[object] = []
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for address in PAGES:
            page.goto(f"/studies/acne/{address.format(Intake.objects.get().pk)}")
            found += violations(page)
            found += [address] if page.evaluate("document.documentElement.scrollWidth") > width else []
    return found


def test_a_browser_without_scripts_can_send_files(browser: Browser, site: str, empty: Study, tmp_path: Path) -> None:
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    open_as_olga(page, "/studies/acne/images/")
    page.get_by_label("Photographs or zips").set_input_files(write_files(tmp_path)[:3])
    page.get_by_role("button", name="Send").click()
    uploads.import_waiting(Intake.objects.get())
    page.reload()
    expect(page.get_by_text("It is over.")).to_be_visible()
    assert empty.images.count() == 8  # two, and six in the zip
    context.close()


def test_a_table_is_looked_at_before_it_is_written(page: Page, empty: Study, tmp_path: Path) -> None:
    images = builders.make_images(empty, 3)
    for image, name in zip(images, ("Klinik/Müller/1.jpg", "Klinik/Maier/1.jpg", "2.jpg"), strict=True):
        image.source_name = name
    Image.objects.bulk_update(images, ["source_name"])
    table = "Dateiname;Patient;Alter;Einwilligung\nMüller\\1.JPG;P1;31,5;ja\nMaier/1.jpg;P2;40;nein\n1.jpg;P3;2;ja\n"
    (tmp_path / "known.csv").write_text(table)
    open_as_olga(page, "/studies/acne/images/")
    page.get_by_label("Table").set_input_files(tmp_path / "known.csv")
    page.get_by_role("button", name="Look what it would write").click()
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("row", name="ALIKE").first).to_contain_text("Klinik/Müller/1.jpg")
    expect(page.get_by_role("region", name="Rows that are not joined")).to_contain_text("several files may be meant")
    assert not empty.images.exclude(subject="").exists()
    page.get_by_role("button", name="Write this into 2 images").click()
    expect(page.get_by_role("heading", name="Written")).to_be_visible()
    assert sorted(empty.images.values_list("subject", flat=True)) == ["", "P1", "P2"]

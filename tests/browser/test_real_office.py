"""A practice's folder and its table make the same study, whether they come by the browser or by command."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage
from playwright.sync_api import Page, expect
from sklearn.datasets import load_sample_images

from labeler.intake import known_names, uploads
from labeler.intake.file_names import clean
from labeler.models import Alias, Intake, IntakeFile, Study
from labeler.studies import studies
from tests import builders
from tests.browser import office
from tests.browser.test_admin_pages import PASSWORD, open_as_olga, violations
from tests.browser.test_setting_up import SOON

NUMBER = 12  # photographs


@pytest.fixture
def clicked(transactional_db: None) -> Study:
    study = studies.create(slug="acne", title="The acne study", seed=2019, secret=builders.SECRET)
    study.admins.add(builders.make_user("olga", password=PASSWORD))
    return study


def contents(study: Study) -> dict[str, list[Any]]:
    """Return all that an import and a table make, row by row, without ids and times."""
    images = study.images.order_by("content_hash").values_list(
        *("content_hash", "source_name", "width", "height", "subject", "metadata", "rendition_sha256"),
        *("is_kept", "failed", "may_be_graded", "may_be_trained_on", "may_be_shared"),
    )
    aliases = Alias.objects.filter(image__study=study).values_list("image__content_hash", "name")
    refused = IntakeFile.objects.filter(intake__study=study, state="refused").select_related("archive")
    names = [(clean(known_names.own_name(file)), file.reason) for file in refused]
    return {
        "images": list(images),
        "aliases": sorted(aliases),
        "consents": list(
            study.consents.order_by("subject", "pk").values_list("subject", "scopes", "given_on", "source")
        ),
        "refusals": sorted((name, reason.replace(name, "This file")) for name, reason in names),
    }


def by_browser(page: Page, study: Study, folder: Path, table: Path) -> str:
    """Send the folder and join the table as a person does; return what the page showed before it was written."""
    open_as_olga(page, f"/studies/{study.slug}/images/")
    page.get_by_label("Or a whole folder").set_input_files(folder / office.FOLDER)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="See what came.").click(timeout=SOON * 4)
    page.wait_for_url("**/imports/**")
    uploads.import_waiting(Intake.objects.get(study=study))
    expect(page.get_by_text("It is over.")).to_be_visible(timeout=SOON)
    page.goto(f"/studies/{study.slug}/images/")
    page.get_by_label("Table").set_input_files(table)
    page.get_by_role("button", name="Look what it would write").click()
    assert violations(page) == []
    page.get_by_label("Line").select_option("This is 0004")
    page.get_by_role("button", name="Look again with these answers").click()
    shown = page.locator("[data-join-report]").inner_text()
    page.get_by_role("button", name="Write this into").click()
    expect(page.get_by_role("heading", name="Written")).to_be_visible()
    return shown


def by_command(study: Study, folder: Path, table: Path) -> list[str]:
    """Do the same by command; return what it said: of the files, with the question, and with the answer."""
    imported = builders.command_output("import_images", study.slug, str(folder))
    command = ("import_metadata", study.slug, str(table))
    asked = builders.command_output(*command)
    looked = builders.command_output(*command, "--person", "4=0004")
    builders.command_output(*command, "--person", "4=0004", "--seen", looked.split()[-1])
    return [imported, asked, looked]


@pytest.mark.provokes("status of 422")
def test_a_real_office_makes_one_study_by_both_ways(page: Page, clicked: Study, tmp_path: Path) -> None:
    photographs = [PillowImage.fromarray(pixels) for pixels in load_sample_images().images]
    folder, table = office.write(tmp_path, photographs, NUMBER)
    typed = studies.create(slug="typed", title="The acne study", seed=2019, secret=builders.SECRET)
    imported, asked, _ = by_command(typed, folder, table)
    assert imported.startswith(f"{NUMBER + 2} imported, 2 known already, 8 refused.")
    assert "is 4 0004?" in asked
    shown = by_browser(page, clicked, folder, table)
    assert "several files may be meant" in shown
    ours, theirs = contents(clicked), contents(typed)
    for what, rows in theirs.items():
        assert ours[what] == rows, what
    assert {row[4] for row in theirs["images"]} == {"P-1", "P-2", "P-3", "0004", "P-5", ""}
    assert not typed.images.filter(subject="P-2", may_be_graded=True).exists()
    assert not re.search("Thumbs|DS_Store|[.]_|MACOSX", str(theirs))

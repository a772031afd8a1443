"""Prescreening and near-duplicates in headless Chromium: limits are dragged, images ticked, and everyone can do it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from labeler.models import Study, StudyJob
from labeler.screening import prescreen
from labeler.studies import studies, study_jobs
from labeler.studies.study_jobs import Kind
from scoring.platform import jobs
from tests import builders
from tests.browser.test_admin_pages import PASSWORD, open_as_olga, violations
from tests.labeler.screening.screening import chain, measure

PAGES = ("prescreen/", "prescreen/images/?sharpness_min=-3.5", "duplicates/", "duplicates/?show=distinct", "subjects/")


@pytest.fixture
def measured(transactional_db: None, tmp_path: Path) -> Study:
    """Return a study that olga runs: eight photographs, each sharper than the last, three and two of them alike."""
    study = studies.create(slug="acne", title="The acne study", seed=2019, secret=builders.SECRET)
    study.admins.add(builders.make_user("olga", password=PASSWORD))
    builders.import_photographs(study, {f"IMG_{n}.jpg": builders.make_jpeg(n) for n in range(8)}, tmp_path)
    study.images.filter(source_name__in=["IMG_6.jpg", "IMG_7.jpg"]).update(subject="P7")
    for number, image in enumerate(study.images.order_by("source_name")):
        measure(image, sharpness=-4 + number / 4)
    chain(study, 3, 2)
    return study


def test_a_dragged_limit_tells_what_it_drops_and_is_saved(page: Page, measured: Study) -> None:
    open_as_olga(page, "/studies/acne/prescreen/")
    chart = page.get_by_role("img", name="Histogram of sharpness")
    expect(chart.locator("rect")).to_have_count(40)
    expect(chart.locator(".c-dropped")).to_have_count(0)
    expect(page.get_by_role("button", name="Show what these limits drop")).to_be_hidden()
    slider = page.get_by_label("Smallest sharpness allowed, by sliding")
    slider.focus()
    for _ in range(24):
        page.keyboard.press("ArrowRight")  # from -6 in steps of 0.1
    expect(page.get_by_label("Smallest sharpness allowed", exact=True)).to_have_value("-3.6")
    expect(chart.locator(".c-dropped")).to_have_count(16)  # of 0.15 each
    expect(page.locator("[data-said=sharpness]")).to_have_text("2 images")
    expect(page.locator("[data-said=together]")).to_have_text("2 images")
    page.get_by_label("Smallest sharpness allowed", exact=True).fill("-3.1")
    expect(page.locator("[data-status]")).to_have_text("Together they would drop 4 images.")
    assert measured.prescreen_rules.count() == 0
    page.get_by_label("Why these limits").fill("As in the protocol")
    page.get_by_role("button", name="Save these limits").click()
    expect(page.get_by_text("4 images of the study are dropped now")).to_be_visible()
    assert prescreen.current_limits(measured) == {"sharpness": (-3.1, None)}
    expect(page.get_by_label("Smallest sharpness allowed", exact=True)).to_have_value("-3.1")


def test_pages_tell_how_far_a_study_job_is_and_why_one_stopped(page: Page, measured: Study, tmp_path: Path) -> None:
    for kind in (Kind.MEASURE, Kind.LIMITS, Kind.DUPLICATES):
        study_jobs.request(study=measured, kind=kind, by=None)
    measuring = jobs.claim(StudyJob, measured.study_jobs.get(kind=Kind.MEASURE).pk)
    assert measuring is not None
    jobs.tell(measuring, "Measuring images", done=1234, total=5000)
    measured.study_jobs.filter(kind=Kind.DUPLICATES).update(state="failed", error=jobs.GIVEN_UP)
    open_as_olga(page, "/studies/acne/prescreen/")
    expect(page.locator(".study-job")).to_have_count(2)
    expect(page.get_by_text("Measuring images, 1,234 of 5,000.")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Measuring images")).to_be_visible()
    for name in ("prescreen", "duplicates"):
        page.goto(f"/studies/acne/{name}/")
        assert violations(page) == []
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            page.screenshot(path=tmp_path / f"{name}-{width}.png")
    page.get_by_role("button", name="Try searching near-duplicates again").click()
    expect(page.locator(".study-job")).to_contain_text("Searching near-duplicates: it waits for a worker.")


def test_a_slider_takes_the_other_along_and_its_own_end_is_no_limit(page: Page, measured: Study) -> None:
    open_as_olga(page, "/studies/acne/prescreen/?faces_min=1&faces_max=2")
    smallest, largest = (page.get_by_label(f"{word} faces allowed", exact=True) for word in ("Smallest", "Largest"))
    slider = page.get_by_label("Smallest faces allowed, by sliding")
    slider.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(smallest).to_have_value("3")
    expect(largest).to_have_value("3")
    page.keyboard.press("Home")
    expect(smallest).to_have_value("")


@pytest.mark.provokes("the server responded with a status of 422")
def test_limits_that_cross_say_so_at_once(page: Page, measured: Study) -> None:
    open_as_olga(page, "/studies/acne/prescreen/?exposure_min=0.4&exposure_max=0.6")
    page.get_by_label("Smallest exposure allowed", exact=True).fill("0.9")
    expect(page.locator("[data-status]")).to_contain_text("above the largest")


def test_images_are_looked_at_ticked_and_decided_on(page: Page, measured: Study) -> None:
    open_as_olga(page, "/studies/acne/prescreen/?sharpness_min=-3.6")
    page.get_by_role("link", name=re.compile("See them ?: sharpness")).click()
    expect(page.locator(".gallery li")).to_have_count(2)
    page.get_by_role("button", name="Tick all on this page").click()
    page.get_by_label("IMG_0.jpg", exact=True).uncheck()
    page.get_by_label("What becomes of them").select_option(label="Keep")
    page.get_by_label("Why").fill("the only severe case")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("1 image kept.")).to_be_visible()
    expect(page.locator(".gallery li")).to_have_count(1)
    assert list(measured.images.filter(override=True).values_list("source_name", flat=True)) == ["IMG_1.jpg"]


def test_a_cluster_is_parted_and_brought_back(page: Page, measured: Study) -> None:
    open_as_olga(page, "/studies/acne/duplicates/")
    biggest = page.get_by_role("region", name=re.compile(r"^Cluster")).first
    expect(biggest.get_by_role("img")).to_have_count(3)
    biggest.get_by_role("button", name="Different photographs").click()
    expect(page.get_by_role("region", name=re.compile(r"^Cluster"))).to_have_count(1)
    page.get_by_label("Show").select_option(label="Pairs called different")
    page.get_by_role("button", name="Show").click()
    for _ in range(2):
        page.get_by_role("button", name="Take back").first.click()
    expect(page.get_by_text("None is like that.")).to_be_visible()
    page.goto("/studies/acne/duplicates/")
    expect(page.get_by_role("region", name=re.compile(r"^Cluster"))).to_have_count(2)


def test_it_works_without_scripts(browser: Browser, site: str, measured: Study) -> None:
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    open_as_olga(page, "/studies/acne/prescreen/")
    page.get_by_label("Smallest sharpness allowed", exact=True).fill("-3.6")
    page.get_by_role("button", name="Show what these limits drop").click()
    expect(page.locator("[data-said=together]")).to_have_text("2 images")
    expect(page.get_by_role("img", name="Histogram of sharpness").locator(".c-dropped")).to_have_count(16)
    page.get_by_label("Why these limits").fill("As in the protocol")
    page.get_by_role("button", name="Save these limits").click()
    expect(page.get_by_text("2 images of the study are dropped now")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it_on_every_width(browser: Browser, site: str, measured: Study, scheme: str) -> None:
    parted = measured.images.order_by("pk")[3].pk
    context = browser.new_context(base_url=site, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    open_as_olga(page, "/studies/acne/prescreen/?sharpness_min=-3.5")
    page.goto("/studies/acne/duplicates/")
    page.get_by_role("region", name=f"Cluster {parted}", exact=True).get_by_role(
        "button", name="Different photographs"
    ).click()
    found, too_wide = [], []
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for address in (*PAGES, f"images/{parted}/"):
            page.goto(f"/studies/acne/{address}")
            for summary in page.locator("summary").all():
                summary.click()
            found += violations(page)
            too_wide += [address] if page.evaluate("document.documentElement.scrollWidth") > width else []
    assert found == []
    assert too_wide == []
    context.close()

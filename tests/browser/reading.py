"""A reader at the browser, who remembers what they saw and said; and the database, asked what it has of that."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from django.core.files.storage import default_storage
from numpy.typing import NDArray
from PIL import Image as PillowImage
from playwright.sync_api import Locator, Page, expect

from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.images import renditions
from labeler.models import Image, Label, Reader, Study
from labeler.studies import studies
from tests import builders

PASSWORD = "correct horse battery staple"
ON_SCREEN = "[data-picture] img[src^='blob:']"
PAINTED = "[data-picture][data-painted]"
SHORTEST_LOOK = 250  # ms: a study's, unless it says otherwise
GRID = (6, 8)  # builders.make_jpeg draws this many fields of colour: they tell one photograph from another
LOOK = """image => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [6, 8];
  const brush = canvas.getContext('2d');
  brush.drawImage(image, 0, 0, 6, 8);
  return [...brush.getImageData(0, 0, 6, 8).data];
}"""


def make_reader(tmp_path: Path, *, images: int = 6, size: tuple[int, int] = (600, 800)) -> Reader:
    """Make a study with one reader, ana, and photographs for her to grade."""
    ana = builders.make_user("ana", password=PASSWORD)
    study = studies.create(slug="acne", title="The acne study", is_simulated=True, seed=2019, secret=builders.SECRET)
    reader = studies.add_reader(study=study, user=ana)
    (tmp_path / "photographs").mkdir()
    photographs = {f"IMG_{seed}.jpg": builders.make_jpeg(seed, size=size) for seed in range(images)}
    builders.import_photographs(study, photographs, tmp_path / "photographs")
    Study.objects.filter(pk=study.pk).update(shortest_look_ms=0)  # a test presses as fast as it can
    golden_draw.draw(study=study, size=2)
    folds.deal(study=Study.objects.get())
    return reader


def sign_in(page: Page) -> None:
    """Fill in the sign-in page, which `page` shows."""
    page.get_by_label("User name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def start_grading(page: Page) -> None:
    page.goto("/")
    sign_in(page)
    page.get_by_role("link", name="grading").click()
    expect(page.locator(PAINTED)).to_be_attached()


def await_look(page: Page) -> None:
    """Wait until the image on the screen has been seen for as long as the page asks before it takes a grade."""
    expect(page.locator(PAINTED)).to_be_attached()
    page.wait_for_timeout(float(page.locator("[data-stage]").get_attribute("data-shortest-look") or SHORTEST_LOOK))


def press(page: Page, key: str, *, then: str) -> None:
    """Press a key once the image was looked at, and wait until the page says so."""
    await_look(page)
    page.keyboard.press(key)
    expect(page.locator("[data-said]")).to_contain_text(then)


def await_saved(page: Page) -> None:
    """Wait until the server has acknowledged everything that the page holds."""
    expect(page.locator("body:not([data-unsaved]), body[data-unsaved='0']")).to_be_attached(timeout=30_000)


def saved(page: Page, count: int) -> list[tuple[int | None, int | None, str, bool]]:
    """Return the labels as (position, grade, reason, undo), in the order in which they arrived, once all have."""
    await_saved(page)
    labels = Label.objects.exclude(assignment__position=None).values_list(
        "assignment__position", "grade", "not_gradable", "is_undo"
    )
    assert len(labels) == count
    return list(labels)


@dataclass
class Sitting:
    """Grades by key in one tab, and remembers which photograph was on the screen at each."""

    page: Page
    given: list[tuple[int, int]] = field(default_factory=list)  # (image id, grade)
    _looks: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def grade(self, *grades: int) -> None:
        for grade in grades:
            await_look(self.page)
            image = self.image_on_screen()
            before = self.page.locator("[data-bar]").get_attribute("value") or ""
            self.page.keyboard.press(str(grade))
            expect(self.page.locator("[data-bar]")).not_to_have_attribute("value", before)
            self.given.append((image, grade))

    def image_on_screen(self) -> int:
        return nearest(self.page.locator(ON_SCREEN), self._looks or {one.pk: look(one) for one in Image.objects.all()})


def nearest(picture: Locator, looks: dict[int, NDArray[np.float64]]) -> int:
    """Return the image whose own pixels are the nearest to those on the screen."""
    pixels = np.array(picture.evaluate(LOOK), float).reshape(*GRID[::-1], 4)[..., :3]
    return min(looks, key=lambda image: float(np.abs(looks[image] - pixels).sum()))


def stored() -> list[tuple[int, int | None]]:
    """Return every label in the database as (image id, grade), in the order in which they arrived."""
    return list(Label.objects.values_list("assignment__image_id", "grade"))


def look(image: Image) -> NDArray[np.float64]:
    """Return the image's fields of colour, as its file has them, (8, 6, 3)."""
    with default_storage.open(renditions.storage_name(image.rendition, renditions.FULL)) as file:
        picture = PillowImage.open(file).convert("RGB").resize(GRID, PillowImage.Resampling.BOX)
    return np.asarray(picture, float)

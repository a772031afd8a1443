"""A study with a reader for each row of a table of hostile circumstances, so that rows share all that is slow."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.test import Client
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, expect

from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.models import Image, Label, Reader, Study
from labeler.studies import studies
from tests import builders
from tests.browser.reading import await_look, await_saved, look, nearest

READERS = 107
IMAGES = 14  # nearly all golden: every reader has these
ON_STAGE = "[data-picture] img"
BAR = "[data-bar]"

Act = tuple[int, int | str | None]  # image, and the grade, the reason, or None for an undo


@dataclass
class Stage:
    """One loaded site and one browser for many rows; each takes a reader who has graded nothing yet."""

    browser: Browser
    address: str
    readers: Iterator[Reader]
    looks: dict[int, NDArray[np.float64]]
    contexts: dict[str, BrowserContext] = field(default_factory=dict)

    @contextmanager
    def seat(self, *, shortest_look: int = 20, **options: Any) -> Iterator["Seat"]:
        """Sign the next reader in, in a browser that many use one after the other: it has the scripts already."""
        Study.objects.update(shortest_look_ms=shortest_look)
        kind = repr(options)
        if kind not in self.contexts:
            # Service workers would hide requests from a test.
            self.contexts[kind] = self.browser.new_context(base_url=self.address, service_workers="block", **options)
        reader, context = next(self.readers), self.contexts[kind]
        seat = Seat(self, reader, context, context.new_page())
        seat.sign_in(reader)
        yield seat
        for page in context.pages:
            page.close()

    def close(self) -> None:
        for context in self.contexts.values():
            context.close()


@dataclass
class Seat:
    """A reader at the browser, who remembers which photograph was on the screen at each act that the page took."""

    stage: Stage
    reader: Reader
    context: BrowserContext
    page: Page
    given: list[Act] = field(default_factory=list)

    def sign_in(self, reader: Reader) -> None:
        cookie = builders.sign_in(Client(), reader.user).cookies[settings.SESSION_COOKIE_NAME]
        self.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": cookie.value, "url": self.stage.address}]
        )

    def sign_out(self) -> None:
        self.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)

    def open(self, *, is_painted: bool = True) -> Page:
        """Open the reader's list, and wait until its first image takes a grade."""
        self.page.goto(f"/read/{self.reader.study.slug}/")
        if is_painted:
            await_look(self.page)
        return self.page

    def grade(self, *grades: int) -> None:
        """Grade by key as a person does, and remember the image."""
        for grade in grades:
            await_look(self.page)
            image, before = self.image(), self.bar()
            self.page.keyboard.press(str(grade))
            expect(self.page.locator(BAR)).not_to_have_attribute("value", before)
            self.given.append((image, grade))

    def bar(self) -> str:
        return self.page.locator(BAR).get_attribute("value") or ""

    def image(self) -> int:
        return nearest(self.page.locator(ON_STAGE), self.stage.looks)

    def stored(self) -> list[Act]:
        """Return what the database has of this reader, in the order in which it arrived."""
        labels = Label.objects.filter(assignment__reader=self.reader).order_by("pk")
        return [
            (label.assignment.image_id, label.grade or label.not_gradable or None)
            for label in labels.select_related("assignment")
        ]

    def all_saved(self) -> list[Act]:
        await_saved(self.page)
        return self.stored()


def set_stage(browser: Browser, address: str, folder: Path) -> Stage:
    study = studies.create(slug="hostile", title="Hostile circumstances", is_simulated=True, seed=2019)
    for number in range(READERS):
        studies.add_reader(study=study, user=builders.make_user(f"reader {number:02}"))
    photographs = {f"IMG_{seed}.jpg": builders.make_jpeg(seed) for seed in range(IMAGES + 2)}
    builders.import_photographs(study, photographs, folder)
    golden_draw.draw(study=study, size=IMAGES)
    folds.deal(study=Study.objects.get(pk=study.pk))
    looks = {image.pk: look(image) for image in Image.objects.filter(study=study)}
    readers = list(study.readers.select_related("user", "study").order_by("pk"))
    return Stage(browser, address, iter(readers), looks)

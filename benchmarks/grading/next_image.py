"""How long from a key to the next image on the screen, with the next images fetched ahead and without.

    python -m benchmarks.grading.next_image [--images 200] [--rounds 4] [--think 1.2]

A reader grades in headless Chromium over a network of 200 ms latency and 3 Mbit/s, which the browser itself slows
down. Both variants take turns on the same photographs; "without" is the same page told to look no further than the
image on the screen. The time from key to image is that from the key's event to the frame in which the browser
painted the next image (Element Timing); INP is from Event Timing, by its definition: the longest interaction of all
but one in fifty.
"""

import argparse
import io
import json
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from benchmarks import stage

if TYPE_CHECKING:
    from labeler.models import Reader

LATENCY = 200  # ms
BANDWIDTH = 3_000_000 // 8  # bytes per second
SIDES = (1200, 1600)  # pixels
GRAIN = 6.0  # grey levels: makes each WebP as large as one of a real photograph, some 160 kB
PASSWORD = "a password of this benchmark alone"  # noqa: S105
PAINTED = "[data-picture][data-painted]"
OBSERVE = """
window.measured = { keys: [], painted: [], interactions: {} };
addEventListener("keydown", (event) => measured.keys.push(event.timeStamp), true);
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) measured.painted.push(entry.renderTime);
}).observe({ type: "element", buffered: true });
new PerformanceObserver((list) => {
  for (const { interactionId: id, duration } of list.getEntries()) {
    if (id) measured.interactions[id] = Math.max(measured.interactions[id] ?? 0, duration);
  }
}).observe({ type: "event", durationThreshold: 16, buffered: true });
"""


@dataclass
class Measured:
    """Times in milliseconds."""

    key_to_image: list[float] = field(default_factory=list)
    interactions: list[float] = field(default_factory=list)  # those of 16 ms and more; the browser tells no others

    def quantile(self, percent: int) -> float:
        return float(np.percentile(self.key_to_image, percent))

    @property
    def inp(self) -> float:
        longest = sorted(self.interactions, reverse=True)
        return longest[min(len(self.key_to_image) // 50, len(longest) - 1)] if longest else 16.0


def main() -> None:
    options = _options()
    results = {"with": Measured(), "without": Measured()}
    with stage.installation() as folder:
        readers = iter(_make_study(options.images // options.rounds, 2 * options.rounds))
        with stage.site(folder / "web.log") as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
            )
            for number in range(options.rounds):
                for name, measured in results.items():
                    ahead = name == "with"
                    _sit(browser, address, next(readers), measured, ahead=ahead, think=options.think, seed=number)
    _print(results, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200, help="graded in each variant")
    parser.add_argument("--rounds", type=int, default=4, help="in which the variants take turns")
    parser.add_argument("--think", type=float, default=1.2, help="seconds that a reader looks at an image, on average")
    return parser.parse_args()


def _make_study(images: int, readers: int) -> list["Reader"]:
    """Make a study in which every reader has the same images (and one more) to grade."""
    from labeler.dealing import folds
    from labeler.golden_set import golden_draw
    from labeler.intake import importing
    from labeler.models import Study, User
    from labeler.studies import studies

    study = studies.create(slug="benchmark", title="Benchmark", is_simulated=True, seed=2019)
    for number in range(readers):
        user = User.objects.create_user(username=f"reader{number}", password=PASSWORD)
        studies.add_reader(study=study, user=user)
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(photographs(images + readers)):
            (Path(folder) / f"{number}.jpg").write_bytes(data)
        importing.import_folder(study=study, folder=Path(folder))
    golden_draw.draw(study=study, size=images)
    folds.deal(study=Study.objects.get())
    return list(study.readers.select_related("user"))


def photographs(count: int) -> Iterator[bytes]:
    """Yield JPEGs of soft colours under a grain like that of a camera: no faces, but as many bytes."""
    rng = np.random.default_rng(2019)
    grain: NDArray[np.float64] = rng.normal(0, GRAIN, (SIDES[1], SIDES[0], 3))
    for _ in range(count):
        fields = PillowImage.fromarray(rng.integers(40, 216, (8, 6, 3), dtype=np.uint8))
        soft = np.asarray(fields.resize(SIDES, PillowImage.Resampling.BICUBIC), float)
        moved = np.roll(grain, tuple(rng.integers(0, SIDES[0], 2)), axis=(0, 1))
        file = io.BytesIO()
        PillowImage.fromarray((soft + moved).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        yield file.getvalue()


def _sit(
    browser: Browser, address: str, reader: "Reader", measured: Measured, *, ahead: bool, think: float, seed: int
) -> None:
    """Grade a whole list but for its last image, and add what the browser measured."""
    # Playwright can't change an answer that goes through a service worker.
    context = browser.new_context(base_url=address, viewport={"width": 1440, "height": 900}, service_workers="block")
    page = context.new_page()
    page.add_init_script(OBSERVE)
    page.goto("/")
    page.get_by_label("User name").fill(reader.user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Start grading").wait_for()
    if not ahead:
        page.route("**/read/benchmark/", _look_no_further)
    _slow_down(context, page)
    page.goto("/read/benchmark/")
    grades = _grade(page, count=reader.assignments.count() - 1, think=think, seed=seed)
    page.locator("body[data-unsaved='0']").wait_for()
    _check(reader, grades)
    _add(page, measured)
    context.close()


def _look_no_further(route: Route) -> None:
    answer = route.fetch()
    before = answer.text()
    body = before.replace('"ahead": 4', '"ahead": 1')
    assert body != before, "The page's setting for images ahead has another form now: change this line with it."  # noqa: S101
    route.fulfill(response=answer, body=body)


def _slow_down(context: BrowserContext, page: Page) -> None:
    network = {"offline": False, "latency": LATENCY, "downloadThroughput": BANDWIDTH, "uploadThroughput": BANDWIDTH}
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", network)


def _grade(page: Page, *, count: int, think: float, seed: int) -> list[int]:
    rng = random.Random(seed)  # noqa: S311  a reader's pace, not a secret
    grades = [rng.randint(1, 5) for _ in range(count)]
    page.locator(PAINTED).wait_for()
    for done, grade in enumerate(grades, start=1):
        page.wait_for_timeout(1000 * rng.uniform(0.5, 1.5) * think)
        page.keyboard.press(str(grade))
        page.locator(f"[data-bar][value='{done}']").wait_for(state="attached")
        page.locator(PAINTED).wait_for()
    return grades


def _check(reader: "Reader", grades: list[int]) -> None:
    """A page that loses grades could be as fast as it likes."""
    from labeler.models import Label

    stored = list(Label.objects.filter(assignment__reader=reader).values_list("grade", flat=True))
    if stored != grades:
        raise SystemExit(f"{len(grades)} grades were given: {grades}\n{len(stored)} are stored: {stored}")


def _add(page: Page, measured: Measured) -> None:
    seen = json.loads(page.evaluate("JSON.stringify(measured)"))
    for key in seen["keys"]:
        measured.key_to_image.append(min(painted for painted in seen["painted"] if painted > key) - key)
    measured.interactions += seen["interactions"].values()


def _print(results: dict[str, Measured], options: argparse.Namespace) -> None:
    print(f"{LATENCY} ms latency, 3 Mbit/s, {options.think} s a look, {options.rounds} rounds in turn; milliseconds\n")
    print(f"{'fetched ahead':<14}{'keys':>6}{'p50':>8}{'p95':>8}{'p99':>8}{'worst':>8}{'INP':>8}")
    for name, found in results.items():
        quantiles = "".join(f"{found.quantile(percent):>8.0f}" for percent in (50, 95, 99, 100))
        print(f"{name:<14}{len(found.key_to_image):>6}{quantiles}{found.inp:>8.0f}")
    ratios = {percent: results["without"].quantile(percent) / results["with"].quantile(percent) for percent in (50, 95)}
    print(
        f"\nFetching ahead makes the next image come {ratios[50]:.0f} times as fast (median), {ratios[95]:.0f} at p95."
    )


if __name__ == "__main__":
    main()

"""A real browser against a real web process."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests import processes
from tests.processes import Web

# Playwright keeps an event loop in this thread; the ORM is used between its calls, never inside one.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


# A network that tests cut and a server that they kill are no mistakes of the page. What else a test provokes it marks.
PROVOKED = ("net::ERR_",)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable, "Install chromium: the browser tests drive a real one."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a web process that outlives a test keeps its files."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(autouse=True)
def _own_files(settings: object, media: Path) -> Iterator[None]:
    settings.MEDIA_ROOT = media  # type: ignore[attr-defined]
    yield
    shutil.rmtree(media)
    media.mkdir()


@pytest.fixture(scope="session")
def lasting_web(django_db_setup: None, media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Load the site once for all tests; a module whose site has other settings has a fixture of this name."""
    with processes.web(tmp_path_factory.mktemp("web") / "log", MEDIA_ROOT=str(media)) as served:
        yield served


@pytest.fixture
def server(transactional_db: None, lasting_web: Web) -> Iterator[Web]:
    """Serve the site by a process that has answered no other test."""
    yield lasting_web
    lasting_web.renew()


@pytest.fixture
def site(server: Web) -> str:
    return server.address


@pytest.fixture
def context(browser: Browser, site: str, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """Return a context in which any script error or refused resource of any page fails the test."""
    context = browser.new_context(base_url=site)
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield context
    context.close()
    marker = request.node.get_closest_marker("provokes")
    provoked = (*PROVOKED, *(marker.args if marker else ()))
    assert not [complaint for complaint in complaints if not any(known in complaint for known in provoked)]


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()

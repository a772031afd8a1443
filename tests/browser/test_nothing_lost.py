"""Networks fail, servers die, sessions end, tabs multiply: every acknowledged grade is stored once, on its image."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from labeler.models import Assignment, Label, Reader
from scoring.platform.request_limiter import WEB_THREADS, WEB_WAITING
from tests.browser.reading import PAINTED, Sitting, await_saved, make_reader, sign_in, start_grading, stored
from tests.processes import PATIENCE, Web


@pytest.fixture
def reader(transactional_db: None, tmp_path: Path) -> Reader:
    return make_reader(tmp_path, images=10)


@pytest.fixture
def sitting(page: Page, reader: Reader) -> Sitting:
    """Return a reader who is about to grade, with the next images fetched."""
    start_grading(page)
    page.wait_for_load_state("networkidle")
    return Sitting(page)


@contextmanager
def saving_held_up() -> Iterator[None]:
    """Lock what the server has to write, and wait until a request is stuck there."""
    with transaction.atomic():
        list(Assignment.objects.select_for_update())
        yield


def await_stuck_request() -> None:
    deadline = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("No request reached the database.")


def test_the_network_is_cut_twice(sitting: Sitting, context: BrowserContext) -> None:
    sitting.grade(1)
    context.set_offline(True)
    sitting.grade(2, 3)
    expect(sitting.page.locator("[data-notice]")).to_contain_text("waiting to be saved")
    context.set_offline(False)
    sitting.grade(4)
    context.set_offline(True)
    sitting.grade(5)
    context.set_offline(False)
    await_saved(sitting.page)
    assert stored() == sitting.given


def test_offline_beyond_the_fetched_images_nothing_can_be_graded(sitting: Sitting, context: BrowserContext) -> None:
    context.set_offline(True)
    sitting.grade(1, 2, 3, 4)
    expect(sitting.page.locator("[data-missing]")).to_be_visible()
    sitting.page.keyboard.press("5")
    context.set_offline(False)
    expect(sitting.page.locator(PAINTED)).to_be_attached()
    await_saved(sitting.page)
    assert stored() == sitting.given
    sitting.grade(5)
    await_saved(sitting.page)
    assert stored() == sitting.given


@pytest.mark.provokes("status of 500")  # a lock that is held too long: the page sends again
def test_the_server_is_killed_while_it_saves(sitting: Sitting, server: Web) -> None:
    with saving_held_up():
        sitting.grade(1)
        await_stuck_request()
        server.kill()
    sitting.grade(2, 3)
    expect(sitting.page.locator("[data-notice]")).to_contain_text("3 waiting to be saved")
    assert stored() == []
    server.start()
    await_saved(sitting.page)
    assert stored() == sitting.given


def test_an_answer_that_is_lost_does_not_double_a_grade(browser: Browser, server: Web, reader: Reader) -> None:
    # Playwright can't intercept below a service worker.
    context = browser.new_context(base_url=server.address, service_workers="block")
    page = context.new_page()
    start_grading(page)

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    sitting = Sitting(page)
    page.route("**/label/", lose_the_answer, times=2)
    sitting.grade(4, 2)
    await_saved(page)
    assert stored() == sitting.given
    context.close()


@pytest.mark.provokes("503")
def test_a_full_site_sends_a_grade_away_and_takes_it_later(sitting: Sitting, server: Web) -> None:
    ask = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: session=0123456789abcdef\r\nConnection: close\r\n\r\n"
    at = ("127.0.0.1", server.port)
    with ExitStack() as others, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE django_session")  # everybody's request waits for this
        for _ in range(WEB_THREADS + WEB_WAITING):
            others.enter_context(socket.create_connection(at)).sendall(ask)
        await_full(at, ask)
        with sitting.page.expect_response(lambda response: response.url.endswith("/label/")) as sent_away:
            sitting.grade(4)
        assert sent_away.value.status == 503
        assert sent_away.value.headers["retry-after"] == "2"
        expect(sitting.page.locator("[data-notice]")).to_contain_text("1 waiting to be saved")
    await_saved(sitting.page)
    sitting.grade(2)
    await_saved(sitting.page)
    assert stored() == sitting.given


def await_full(at: tuple[str, int], ask: bytes) -> None:
    """Ask until one is sent away; those who are not wait with the others."""
    with ExitStack() as waiting:
        for _ in range(100):
            asked = waiting.enter_context(socket.create_connection(at))
            asked.sendall(ask)
            asked.settimeout(1)
            with suppress(TimeoutError):
                assert asked.recv(12) == b"HTTP/1.1 503"
                return
    raise AssertionError("Nobody was sent away.")


def test_the_session_ends_and_the_reader_signs_in_again_in_place(sitting: Sitting) -> None:
    page = sitting.page
    page.evaluate("document.body.dataset.kept = 'yes'")
    Session.objects.all().delete()
    sitting.grade(1, 2)
    expect(page.locator("[data-notice]")).to_contain_text("Your session has ended")
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Sign in again").click()
    with popup.value.expect_event("close"):
        sign_in(popup.value)
    await_saved(page)
    expect(page.locator("[data-notice]")).to_be_hidden()
    sitting.grade(3)
    await_saved(page)
    assert stored() == sitting.given
    assert page.locator("body").get_attribute("data-kept") == "yes"


@pytest.mark.provokes("status of 409")
def test_two_tabs_do_not_label_one_image_twice(sitting: Sitting, context: BrowserContext) -> None:
    other = Sitting(context.new_page())
    other.page.goto(sitting.page.url)
    sitting.grade(1)
    await_saved(sitting.page)
    other.grade(5)
    expect(other.page.locator("[data-not-kept]")).to_contain_text("graded in another window")
    other.given.clear()  # the page has said that this one was not taken
    expect(other.page.locator("[data-progress]")).to_have_text("2 of 10")
    other.grade(2)
    await_saved(other.page)
    assert stored() == sitting.given + other.given


@pytest.mark.provokes("status of 500")
def test_a_reload_in_mid_flight_keeps_the_grade(sitting: Sitting) -> None:
    with saving_held_up():
        sitting.grade(3)
        await_stuck_request()
        sitting.page.reload(wait_until="commit")
    expect(sitting.page.locator("[data-progress]")).to_have_text("2 of 10")
    sitting.grade(4)
    await_saved(sitting.page)
    assert stored() == sitting.given


def test_the_back_button_leads_to_the_image_to_grade(sitting: Sitting) -> None:
    sitting.grade(1, 2)
    await_saved(sitting.page)
    sitting.page.get_by_role("link", name="Back to your reading lists").click()
    sitting.page.go_back()
    expect(sitting.page.locator("[data-progress]")).to_have_text("3 of 10")
    sitting.grade(3)
    await_saved(sitting.page)
    assert stored() == sitting.given


def test_without_a_server_a_page_of_ours_says_so_and_comes_back(sitting: Sitting, server: Web) -> None:
    page = sitting.page
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    server.kill()
    sitting.grade(1, 2)
    page.reload()
    expect(page.get_by_role("heading", name="The server can't be reached")).to_be_visible()
    expect(page.locator("[data-waiting]")).to_contain_text("2 grades are kept in this browser")
    server.start()
    page.get_by_role("link", name="Try again now").click()
    expect(page.locator("[data-progress]")).to_have_text("3 of 10")
    await_saved(page)
    assert stored() == sitting.given


def test_a_late_image_leaves_the_stage_empty_and_takes_no_grade(browser: Browser, server: Web, reader: Reader) -> None:
    context = browser.new_context(base_url=server.address, service_workers="block")
    page = context.new_page()
    held: list[Route] = []
    start_grading(page)
    page.route("**/image/*", lambda route: held.append(route))  # noqa: PLW0108  Playwright marks its handlers
    sitting = Sitting(page)
    page.reload()
    expect(page.locator("[data-missing]")).to_have_text("Fetching the image…")
    expect(page.locator("[data-picture] img")).to_have_count(0)
    page.keyboard.press("5")
    for route in held:
        route.continue_()
    page.unroute("**/image/*")
    sitting.grade(2)
    await_saved(page)
    assert stored() == sitting.given
    context.close()


def test_a_label_says_how_long_the_image_was_seen(sitting: Sitting) -> None:
    sitting.grade(2)
    await_saved(sitting.page)
    label = Label.objects.get()
    assert label.visible_ms is not None
    assert label.visible_ms < 60_000
    assert (label.viewport_width, label.pixel_ratio, label.input_kind) == (1280, 1.0, "keyboard")

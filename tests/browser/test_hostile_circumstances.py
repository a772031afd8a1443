"""Hostile circumstances as tables. After each row the database has every act once, for the image that was painted,
or the page has said that it was not taken."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import TransactionTestCase
from django.utils import timezone
from playwright.sync_api import Browser, Page, Request, Route, expect
from pytest_django import DjangoDbBlocker

from labeler.grading import window
from labeler.models import Assignment, Image, Label, Reader, Study
from tests.browser.hostile import BAR, ON_STAGE, Seat, Stage, set_stage
from tests.browser.reading import PAINTED, PASSWORD, await_look, await_saved
from tests.conftest import _delete_rows
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def stage(
    browser: Browser,
    lasting_web: Web,
    django_db_blocker: DjangoDbBlocker,
    media: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setattr(settings, "MEDIA_ROOT", media)
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: None)  # the rows stay until the module ends
        stage = set_stage(browser, lasting_web.address, tmp_path_factory.mktemp("photographs"))
        yield stage
        stage.close()
        lasting_web.renew()
        _delete_rows(TransactionTestCase())
    shutil.rmtree(media)
    media.mkdir()


@pytest.fixture(autouse=True)
def _own_files() -> None:
    """Keep the files of all rows until the module ends."""


@pytest.fixture
def seat(stage: Stage) -> Iterator[Seat]:
    with stage.seat() as seat:
        yield seat


# A browser's storage

REFUSED = "throw new DOMException('refused', 'SecurityError')"
ABSENT = {  # from the start: later the page has opened its database
    "absent": "Object.defineProperty(window, 'indexedDB', { value: undefined })",
    "refused when named": f"Object.defineProperty(window, 'indexedDB', {{ get() {{ {REFUSED} }} }})",
    "never answering": "IDBFactory.prototype.open = () => ({})",
    "failing when opened": "IDBFactory.prototype.open = () => ({ set onerror(tell) { setTimeout(tell) } })",
}
FAILING = {
    "refused": f"IDBFactory.prototype.open = IDBDatabase.prototype.transaction = () => {{ {REFUSED} }}",
    "full": "IDBObjectStore.prototype.add = () => { throw new DOMException('full', 'QuotaExceededError') }",
    "full when committed": "IDBTransaction.prototype.commit = function () { this.abort() }",
    "closed": "IDBDatabase.prototype.transaction = () => { throw new DOMException('closed', 'InvalidStateError') }",
}
QUIET = {  # nothing to warn of
    "emptied": "const add = IDBObjectStore.prototype.add; IDBObjectStore.prototype.add = function (...all) {"
    "  const request = add.apply(this, all); this.clear(); return request }",
    "deleted": "indexedDB.databases().then((all) => all.forEach(({ name }) => indexedDB.deleteDatabase(name)))",
    "with no helpers": "for (const name of ['BroadcastChannel', 'localStorage', 'sessionStorage'])"
    "  Object.defineProperty(window, name, { value: undefined });"
    "Object.defineProperty(navigator, 'locks', { value: undefined });"
    "Object.defineProperty(crypto, 'randomUUID', { value: undefined })",
    "with no locks": f"LockManager.prototype.request = async () => {{ {REFUSED} }};"
    "for (const name of ['localStorage', 'sessionStorage'])"
    f"  Object.defineProperty(window, name, {{ get() {{ {REFUSED} }} }})",
}
STORAGE = [
    *((kind, script, "from the start") for kind, script in (ABSENT | FAILING | QUIET).items()),
    *((kind, script, "while a grade waits") for kind, script in (FAILING | QUIET).items()),
]


@pytest.mark.parametrize(("kind", "script", "moment"), STORAGE, ids=[f"{kind} {moment}" for kind, _, moment in STORAGE])
def test_storage_that_fails_loses_no_grade(seat: Seat, kind: str, script: str, moment: str) -> None:
    page, breaking = seat.page, f"(() => {{ {script} }})()"
    if moment == "from the start":
        page.add_init_script(breaking)
        seat.open()
    else:
        seat.open()
        page.route("**/label/", lambda route: route.abort())
        seat.grade(1)
        page.evaluate(breaking)
    seat.grade(2)
    page.unroute_all()
    page.evaluate("dispatchEvent(new Event('online'))")
    assert seat.all_saved() == seat.given
    if kind not in QUIET:
        expect(page.locator("[data-break]")).to_contain_text("This browser can't keep grades")


def test_what_a_browser_forgot_while_it_waited_is_kept_again(seat: Seat) -> None:
    page = seat.open()
    page.route("**/label/", lambda route: route.abort())
    seat.grade(4)
    page.evaluate(f"async () => {QUIET['deleted']}")
    seat.grade(2)
    page.unroute_all()
    page.reload()
    await_look(page)
    assert seat.all_saved() == seat.given


REFUSES_ONE = """() => {
  const { add } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.add = function () {
    IDBObjectStore.prototype.add = add;
    throw new DOMException("Full", "QuotaExceededError");
  };
}"""


def test_a_browser_that_can_keep_grades_again_is_no_longer_said_not_to(seat: Seat) -> None:
    page = seat.open()
    page.evaluate(REFUSES_ONE)
    seat.grade(4)
    expect(page.locator("[data-break]")).to_contain_text("This browser can't keep grades")
    seat.grade(2)
    expect(page.locator("[data-break]")).to_be_hidden()
    assert seat.all_saved() == seat.given


# Somebody else's answers

PORTAL = "<!doctype html><title>Welcome</title><p>Accept the terms of this network."
OURS = '{"reader": %(reader)s, "submission": %(submission)s, "version": 1, "upcoming": []}'
FOREIGN = [
    (200, "text/html", PORTAL),
    (200, "text/html", OURS),
    (200, "text/plain", OURS),
    (200, "", ""),
    *(
        (200, "application/json", body)
        for body in (
            *("", "{}", "[]", "null", "true", "17", '"ok"', '{"ok": true}', '{"version": 1, "upcoming": []}'),
            '{"reader": %(reader)s, "version": 1, "upcoming": []}',
            '{"reader": %(reader)s, "submission": "", "version": 1, "upcoming": []}',
            '{"reader": %(reader)s, "submission": "5a8f0c8e-6f0e-4d6e-9d0b-6f6f6f6f6f6f", "version": 1}',
            '{"reader": "hostile R99", "submission": %(submission)s, "version": 1, "upcoming": []}',
            '{"reader": %(reader)s, "submission": %(submission)s, "upcoming": []}',
            '{"reader": %(reader)s, "submission": %(submission)s, "version": "1", "upcoming": []}',
            '{"reader": %(reader)s, "submission": %(submission)s, "refused": "closed", "error": "Closed."}',
            OURS[:-1],
            f"[{OURS}]",
        )
    ),
    *((status, "application/json", OURS) for status in (201, 202, 203, 206, 299, 400, 410, 500)),
    *((status, "", "") for status in (204, 205, 304)),
    *((status, "text/html", PORTAL) for status in (301, 302, 303, 307, 308)),
    *((status, "text/html", PORTAL) for status in (*range(400, 409), *range(409, 419), 421, 422, 425, 426, 428, 429)),
    *((status, "text/html", PORTAL) for status in (431, 451, 499, 500, 501, 502, 503, 504, 507, 511, 520, 525, 530)),
    *((status, "application/json", '{"error": "The study is closed."}') for status in (400, 404, 409, 410, 422)),
    (410, "application/json", '{"reader": %(reader)s, "refused": "closed", "error": "Closed."}'),
    (410, "application/json", '{"reader": %(reader)s, "submission": %(submission)s, "refused": "closed"}'),
]


@pytest.mark.parametrize("has_arrived", [False, True], ids=["never arrived", "arrived, and the answer was lost"])
def test_only_our_own_answer_settles_a_grade(seat: Seat, has_arrived: bool) -> None:
    page = seat.open()
    answers, seen = iter(FOREIGN), []

    def answer(route: Route) -> None:
        status, kind, body = next(answers, (0, "", ""))
        seen.append((status, kind, body))
        if not status:
            route.continue_()
            return
        if has_arrived and len(seen) == 1:
            route.fetch()
        fields = route.request.post_data_json or {}
        known = {"reader": f"hostile {seat.reader.code}", "submission": fields["submission"]}
        headers = {"Location": "/accounts/login/"} if 300 <= status < 400 else {}
        if kind:
            headers["Content-Type"] = kind
        filled = body % {name: json.dumps(value) for name, value in known.items()} if "%(" in body else body
        route.fulfill(status=status, headers=headers, body=filled)

    page.route("**/label/", answer)
    seat.grade(4)
    wrong = []
    for number, row in enumerate(FOREIGN, start=1):
        while len(seen) < number:
            page.evaluate("dispatchEvent(new Event('online'))")
        if page.locator("body[data-unsaved='1']").count() != 1:
            wrong.append(row)
            break
    assert wrong == []
    expect(page.locator("[data-notice]")).to_contain_text("1 waiting to be saved")
    assert seat.stored() == (seat.given if has_arrived else [])
    page.evaluate("dispatchEvent(new Event('online'))")
    assert seat.all_saved() == seat.given
    expect(page.locator("[data-not-kept]")).to_be_hidden()


def test_a_server_that_asks_for_a_rest_gets_it(seat: Seat) -> None:
    page = seat.open()
    sent: list[str] = []

    def send_away(route: Route) -> None:
        sent.append(route.request.url)
        route.fulfill(status=429, headers={"Retry-After": "2"}, body="")

    page.route("**/label/", send_away)
    seat.grade(4)
    expect(page.locator("[data-notice]")).to_contain_text("1 waiting to be saved")
    seat.grade(2)
    expect(page.locator("[data-notice]")).to_be_visible()
    assert len(sent) == 1  # neither the second grade nor a network that is back asks again before
    page.unroute_all()
    assert seat.all_saved() == seat.given


FOREIGN_IMAGES = [
    (200, "text/html", PORTAL),
    (200, "image/webp", "no image"),
    (200, "image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"),
    (200, "image/webp", ""),
    (204, "", ""),
    (302, "text/html", ""),
    (404, "text/html", PORTAL),
    (410, "text/html", PORTAL),
    (429, "text/plain", ""),
    (500, "text/html", PORTAL),
    (0, "", ""),
]


def test_an_image_that_does_not_come_takes_no_grade(seat: Seat) -> None:
    page, answers = seat.page, [FOREIGN_IMAGES[0]]
    page.clock.install()

    def spoil(route: Route) -> None:
        status, kind, body = answers[-1]
        headers = {"Location": "/accounts/login/"} | ({"Content-Type": kind} if kind else {})
        headers |= {"Retry-After": "3"} if status == 429 else {}
        if status:
            route.fulfill(status=status, headers=headers, body=body)
        else:
            route.abort()

    page.route("**/image/*", spoil)
    seat.open(is_painted=False)
    expect(page.locator("body[data-keys=on]")).to_be_attached()
    for answer in FOREIGN_IMAGES:
        answers.append(answer)
        with page.expect_request(is_image):
            page.clock.fast_forward(5000)
        expect(page.locator(ON_STAGE)).to_have_count(0)
        for press in ("3", "n", "2", "Escape"):
            page.keyboard.press(press)
        page.get_by_role("button", name="Severe").click(force=True)
        expect(page.locator("body[data-unsaved='0']")).to_be_attached()
    page.unroute_all()
    page.clock.fast_forward(5000)
    seat.grade(5)
    assert seat.all_saved() == seat.given


def is_image(request: Request) -> bool:
    return "/image/" in request.url


def test_a_queue_that_others_answer_does_not_stop_the_page(seat: Seat) -> None:
    page, bodies = seat.open(), iter(["{}", PORTAL, "null", '{"upcoming": []}'])

    def answer(route: Route) -> None:
        body = next(bodies, None)
        if body is None:
            route.continue_()
        else:
            route.fulfill(status=200, content_type="application/json", body=body)

    page.route("**/queue/*", answer)
    seat.grade(*[1, 2, 3, 4, 5] * 2)
    assert seat.all_saved() == seat.given


LATE = {  # which requests get no answer while everything that was fetched is graded, and which afterwards
    "labels": ("/label/", None),
    "labels, and the page can never ask for more": ("/label/", "/queue/"),
    "everything, and the page can never ask for more": ("/(label|queue|image)/", "/queue/"),
}


@pytest.mark.parametrize("late", LATE)
def test_whoever_has_graded_all_that_was_fetched_goes_on_where_they_are(seat: Seat, late: str) -> None:
    """However the next images come at last: with the answer to what waited, or because the page asks for them."""
    during, after = LATE[late]
    page = seat.open()
    page.evaluate("window.isThisVisit = true")
    page.wait_for_load_state("networkidle")
    page.route(re.compile(during), lambda route: route.abort())
    fetched = window.AHEAD if "image" in during else window.WINDOW
    seat.grade(*[3] * fetched)
    expect(page.locator(ON_STAGE)).to_have_count(0)
    page.unroute_all()
    if after:
        page.route(re.compile(after), lambda route: route.abort())
    seat.grade(4)
    page.unroute_all()
    assert seat.all_saved() == seat.given
    assert page.evaluate("window.isThisVisit")


# Keys, and where the focus is

Steps = list[tuple[str, str]]  # what a hand does, and to what


CLICKS = {"click": 1, "click twice": 2, "click thrice": 3}


def do(page: Page, steps: Steps) -> None:
    for verb, what in steps:
        target = page.get_by_role("slider" if what == "Brightness" else "button", name=what)
        if verb in CLICKS:
            target.click(click_count=CLICKS[verb])
        elif verb == "press":
            page.keyboard.press(what)
        elif verb == "hold":
            for _ in range(25):
                page.keyboard.down(what)
            page.keyboard.up(what)
        else:
            getattr(target, verb)()  # focus or tap


FOCUS: dict[str, Steps] = {
    "nothing": [],
    "a grade": [("focus", "Moderate")],
    "another button": [("focus", "Look at the next image")],
    "the note": [("press", "n")],
    "the reasons": [("press", "n")],
    "the brightness": [("press", "b"), ("focus", "Brightness")],
}
DEAD: list[tuple[str, str]] = [  # what gives no grade: focus, key as Playwright names it
    *(("nothing", key) for key in ("Enter", "Space", "6", "9", "a", "F1", "Tab")),
    *(
        (focus, f"{held}+{key}")
        for focus in FOCUS
        for held in ("Control", "Alt", "Meta")
        for key in ("3", "Enter", "Space")
    ),
    *(("nothing", f"{held}+Numpad3") for held in ("Control", "Alt", "Meta")),
    *(("the note", key) for key in ("Enter", "NumpadEnter", "3", "Shift+Enter", "u", "Backspace")),
    *(("the brightness", key) for key in ("Enter", "3", "5", "Numpad1")),
    ("another button", "Enter"),
    ("the reasons", "Enter"),
]


def test_no_other_key_gives_a_grade(seat: Seat) -> None:
    page = seat.open()
    graded = []
    for focus, key in DEAD:
        page.evaluate("document.activeElement.blur()")
        do(page, FOCUS[focus])
        if focus == "the note":
            page.get_by_label("In a few words").focus()
        page.keyboard.press(key)
        page.keyboard.press("Escape")
        if page.locator(f"{BAR}[value='0']").count() != 1 or page.locator("body[data-unsaved='0']").count() != 1:
            graded.append((focus, key))
            break
    assert graded == []
    assert seat.all_saved() == []
    seat.grade(3)
    assert seat.all_saved() == seat.given


def key(code: str, typed: str, **state: Any) -> dict[str, Any]:
    return {"code": code, "key": typed, "bubbles": True, "cancelable": True, **state}


LAYOUTS: list[tuple[str, dict[str, Any], int | None]] = [  # what the key is, as the browser tells it, and its grade
    ("Switzerland's plus", key("Digit1", "+", shiftKey=True), None),
    ("AltGr on AZERTY", key("Digit3", "#", modifierAltGraph=True), None),
    ("AltGr on Windows", key("Digit3", "#", ctrlKey=True, altKey=True), None),
    ("an input method at work", key("Digit3", "3", isComposing=True), None),
    ("an input method's key", key("Digit3", "Process", keyCode=229), None),
    ("a held key", key("Digit3", "3", repeat=True), None),
    ("Control", key("Digit3", "3", ctrlKey=True), None),
    ("Cmd", key("Digit3", "3", metaKey=True), None),
    ("Alt", key("Digit3", "3", altKey=True), None),
    ("AZERTY &", key("Digit1", "&"), 1),
    ("AZERTY (", key("Digit5", "("), 5),
    ("AZERTY with Shift", key("Digit2", "2", shiftKey=True), 2),
    ("Caps Lock", key("Digit4", "4"), 4),
    ("QWERTY with Shift", key("Digit3", "#", shiftKey=True), 3),
    ("Czech", key("Digit1", "+"), 1),
    ("number pad", key("Numpad5", "5", location=3), 5),
    ("number pad without its lock", key("Numpad4", "ArrowLeft", location=3), 4),
    ("Arabic digits", key("Digit3", "٣"), 3),
    ("a dead key", key("Digit2", "Dead"), 2),
    ("a keyboard on the screen", key("", "5"), 5),
    ("a remote control", key("Unidentified", "1"), 1),
]


def test_the_place_of_a_key_decides(seat: Seat) -> None:
    page = seat.open()
    graded = {}
    for name, event, grade in LAYOUTS:
        await_look(page)
        image, before = seat.image(), int(seat.bar())
        page.evaluate("(event) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', event))", event)
        graded[name] = int(seat.bar()) - before == 1
        if grade is not None:
            seat.given.append((image, grade))
    assert graded == {name: grade is not None for name, _, grade in LAYOUTS}
    assert seat.all_saved() == seat.given


def test_a_letter_is_what_stands_on_the_key(seat: Seat) -> None:
    page = seat.open()
    reasons = page.locator("#reasons:popover-open")
    for event, opens in [
        (key("KeyL", "n"), True),  # Dvorak
        (key("KeyN", "b"), False),
        (key("KeyN", "т"), True),  # Cyrillic
        (key("KeyN", "N", shiftKey=True), True),
        (key("KeyN", "n", ctrlKey=True), False),
    ]:
        page.evaluate("(event) => document.body.dispatchEvent(new KeyboardEvent('keydown', event))", event)
        expect(reasons).to_have_count(int(opens))
        page.keyboard.press("Escape")


# A held or bouncing key

LONG_LOOK = 1000  # ms: long enough for this machine to bounce a key within it


HELD: dict[str, Steps] = {
    "a digit": [("hold", "3")],
    "a digit of the number pad": [("hold", "Numpad3")],
    "Enter on a button": [("focus", "Mild"), ("hold", "Enter")],
    "Enter of the number pad on a button": [("focus", "Mild"), ("hold", "NumpadEnter")],
    "Space on a button": [("focus", "Mild"), ("hold", "Space")],
    "Enter after a click": [("click", "Mild"), ("hold", "Enter")],
    "Space after a click": [("click", "Mild"), ("hold", "Space")],
    "two clicks": [("click twice", "Mild")],
    "three clicks": [("click thrice", "Mild")],
    "a bouncing digit": [("press", "3")] * 4,
    "a bouncing Enter": [("focus", "Mild"), *[("press", "Enter")] * 4],
    "two keys at once": [("press", "3"), ("press", "4")],
    "a key and a click": [("press", "3"), ("click", "Mild")],
    "a reason's digit": [("press", "n"), ("hold", "3")],
    "a reason's button": [("press", "n"), ("focus", "Not a face"), ("hold", "Enter")],
    "two taps": [("tap", "Mild"), ("tap", "Mild")],
}


@pytest.mark.parametrize("way", HELD)
def test_what_is_held_or_bounces_grades_one_image(stage: Stage, way: str) -> None:
    with stage.seat(shortest_look=LONG_LOOK, has_touch=True) as seat:
        page = seat.open()
        image = seat.image()
        do(page, HELD[way])
        assert [act[0] for act in seat.all_saved()] == [image]


def test_a_grade_that_comes_too_soon_is_not_taken_but_said(stage: Stage) -> None:
    with stage.seat(shortest_look=LONG_LOOK) as seat:
        page = seat.open()
        seat.grade(2)
        expect(page.locator(PAINTED)).to_be_attached()
        page.keyboard.press("4")
        expect(page.locator("[data-said]")).to_contain_text("Too quick")
        expect(page.locator("[data-status]")).to_contain_text("no grade was taken")
        assert seat.all_saved() == seat.given
        seat.grade(4)
        assert seat.all_saved() == seat.given


UNDO = "Undo the last grade"


@pytest.mark.parametrize(
    "steps",
    [[("hold", "u")], [("hold", "Backspace")], [("focus", UNDO), ("hold", "Enter")], [("click twice", UNDO)]],
    ids=["u", "Backspace", "Enter", "two clicks"],
)
def test_a_held_undo_takes_one_grade_back(stage: Stage, steps: Steps) -> None:
    with stage.seat(shortest_look=LONG_LOOK) as seat:
        page = seat.open()
        seat.grade(2, 4)
        do(page, steps)
        assert seat.all_saved() == [*seat.given, (seat.given[1][0], None)]


# Enter in a text


@pytest.mark.parametrize("scripts", ["on", "off", "failing"])
@pytest.mark.parametrize("key", ["Enter", "NumpadEnter"])
def test_enter_in_the_note_stores_nothing(stage: Stage, scripts: str, key: str) -> None:
    with stage.seat(java_script_enabled=scripts != "off") as seat:
        page = seat.page
        if scripts == "failing":
            page.route("**/grade.*js", lambda route: route.abort())
        seat.open(is_painted=scripts == "on")
        page.get_by_role("button", name="Not gradable").click()
        note = page.get_by_label("In a few words")
        note.fill("moved")
        note.press(key)
        assert seat.stored() == []
        page.get_by_role("button", name="Badly lit").click()
        if scripts != "on":
            expect(page.locator(f"{BAR}[value='1']")).to_be_attached()
        assert [act[1] for act in seat.all_saved()] == ["badly_lit"]
        assert Label.objects.get(assignment__reader=seat.reader).note == "moved"


# Scripts that do not come

SCRIPT = "Object.defineProperty(HTMLElement.prototype, '{0}', {{ value: undefined, configurable: true }})"
FAILING_SCRIPTS: dict[str, tuple[str, str]] = {  # which script, and what comes in its place
    "the page's own is lost": ("grade.", "lost"),
    "the page's own is another's": ("grade.", PORTAL),
    "the page's own is broken": ("grade.", "import {"),
    "the page's own throws": ("grade.", "throw new Error('old browser')"),
    "a module of it is lost": ("viewer.", "lost"),
    "a module of it is broken": ("list.", "export class {"),
    "a module of it lacks a name": ("keys.", "export const nothing = 1"),
    "the storage's is lost": ("outbox.", "lost"),
    "the zoom's is lost": ("panzoom.es.", "lost"),
    "the elements' throws": ("elements.", "throw new Error('old browser')"),
    "the sheets' is broken": ("sheets.", "?"),
    "all are lost": ("", "lost"),
}
LACKING = {
    "no popovers": "delete HTMLElement.prototype.showPopover; delete HTMLElement.prototype.popover",
    "no trusted popovers": "HTMLElement.prototype.showPopover = undefined",
    "no toReversed": "delete Array.prototype.toReversed",
    "no matchMedia": "delete window.matchMedia",
    "no page data": "JSON.parse = () => { throw new SyntaxError('cut off') }",
}


def works_as_a_plain_form(seat: Seat) -> None:
    """The image is there to be seen, and a click stores a grade for it."""
    page = seat.page
    expect(page.locator(ON_STAGE)).to_be_visible()
    button = page.get_by_role("button", name="Severe")
    expect(button).to_be_enabled()
    assert page.locator(ON_STAGE).evaluate("(image) => image.complete && image.naturalWidth > 0")
    image = seat.image()
    page.keyboard.press("3")
    button.click()
    expect(page.locator("[data-progress]")).to_have_text(f"2 of {seat.reader.assignments.count()}")
    assert seat.stored() == [(image, 5)]


@pytest.mark.parametrize("failure", FAILING_SCRIPTS)
def test_without_its_scripts_the_page_shows_the_image_and_is_a_form(seat: Seat, failure: str) -> None:
    name, body = FAILING_SCRIPTS[failure]

    def spoil(route: Route) -> None:
        if body == "lost":
            route.fulfill(status=404, content_type="text/html", body=PORTAL)
        else:
            route.fulfill(status=200, content_type="text/javascript", body=body)

    seat.page.route(f"**/{name}*js", spoil)
    seat.open(is_painted=False)
    works_as_a_plain_form(seat)


@pytest.mark.parametrize("lack", LACKING)
def test_an_old_browser_gets_the_image_and_a_form(seat: Seat, lack: str) -> None:
    seat.page.add_init_script(LACKING[lack])
    seat.open(is_painted=False)
    works_as_a_plain_form(seat)


def test_a_policy_against_scripts_leaves_the_image_and_a_form(seat: Seat) -> None:
    def forbid(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": "script-src 'none'"})

    seat.page.route("**/read/hostile/", forbid)
    seat.open(is_painted=False)
    works_as_a_plain_form(seat)


def test_the_page_says_when_its_keys_did_not_start(seat: Seat) -> None:
    seat.page.clock.install()
    seat.page.route("**/grade.*js", lambda route: route.abort())
    seat.open(is_painted=False)
    seat.page.clock.fast_forward(5000)
    expect(seat.page.locator("[data-plain-notice]")).to_be_visible()


@pytest.mark.parametrize("answer", [404, 429, 500, 0])
def test_neither_script_nor_image_leaves_no_button(seat: Seat, answer: int) -> None:
    page = seat.page
    page.route("**/grade.*js", lambda route: route.abort())
    page.route("**/image/*", lambda route: route.fulfill(status=answer, body="") if answer else route.abort())
    seat.open(is_painted=False)
    expect(page.locator("[data-missing]")).to_contain_text("takes no grade")
    assert page.locator("[data-act] button[name]:enabled").count() == 0
    assert seat.stored() == []


# What was not kept


def close_study() -> None:
    Study.objects.filter(slug="hostile").update(closed_at=timezone.now())


def leave_last(seat: Seat) -> None:
    """Leave one image to grade, as if the others were done."""
    rest = list(seat.reader.assignments.order_by("position").values_list("pk", flat=True))[1:]
    Assignment.objects.filter(pk__in=rest).update(is_done=True)


@pytest.fixture
def _open_again() -> Iterator[None]:
    yield
    Study.objects.filter(slug="hostile").update(closed_at=None)
    Image.objects.update(may_be_graded=True)


NOT_KEPT: dict[str, tuple[Callable[[Seat], object], str]] = {
    "closed": (lambda _: close_study(), "The study is closed"),
    "taken back": (
        lambda seat: Image.objects.filter(pk=seat.image()).update(may_be_graded=False),
        "took their consent back",
    ),
    "graded elsewhere": (
        lambda seat: Assignment.objects.filter(reader=seat.reader, image=seat.image()).update(version=7),
        "graded in another window",
    ),
}


@pytest.mark.usefixtures("_open_again")
@pytest.mark.parametrize("is_last", [False, True], ids=["in the middle", "on the last image"])
@pytest.mark.parametrize("why", NOT_KEPT)
def test_what_was_not_kept_stays_until_it_is_read(seat: Seat, why: str, is_last: bool) -> None:
    act, sentence = NOT_KEPT[why]
    if is_last:
        leave_last(seat)
    page = seat.open()
    other = seat.context.new_page()
    other.goto(page.url)
    act(seat)
    page.keyboard.press("4")
    listed = f"Image 1 of {seat.reader.assignments.count()}, Moderate: "
    if is_last:
        listed = "Moderate: "
    for tab in (page, other):
        expect(tab.locator("[data-not-kept] li")).to_have_count(1)
        expect(tab.locator("[data-not-kept] li")).to_contain_text(listed)
        expect(tab.locator("[data-not-kept] li")).to_contain_text(sentence)
    page.reload()
    expect(page.locator("[data-not-kept] li")).to_contain_text(sentence)
    page.keyboard.press("3")
    page.get_by_role("button", name="I have read this").click()
    for tab in (page, other):
        expect(tab.locator("[data-not-kept]")).to_be_hidden()
    page.reload()
    expect(page.locator("[data-not-kept]")).to_be_hidden()
    assert [act for act in seat.stored() if act[1] == 4] == []


@pytest.mark.usefixtures("_open_again")
def test_a_closed_study_takes_no_key(seat: Seat) -> None:
    page = seat.open()
    page.wait_for_load_state("networkidle")
    close_study()
    page.keyboard.press("4")
    expect(page.locator("[data-missing]")).to_contain_text("The study is closed")
    expect(page.locator(ON_STAGE)).to_have_count(0)
    assert page.locator("[data-act] button[name]:enabled").count() == 0
    for press in ("3", "u", "ArrowLeft", "2"):
        page.keyboard.press(press)
    expect(page.locator("[data-not-kept] li")).to_have_count(1)
    page.goto("/read/hostile/")
    expect(page.get_by_role("heading", name="The study is closed")).to_be_visible()
    expect(page.locator("[data-not-kept] li")).to_have_count(1)
    assert page.locator("[data-act]").count() == 0
    assert seat.stored() == []


@pytest.mark.usefixtures("_open_again")
def test_a_refusal_stays_where_the_browser_keeps_nothing(seat: Seat) -> None:
    leave_last(seat)
    seat.page.add_init_script(ABSENT["absent"])
    page = seat.open()
    NOT_KEPT["graded elsewhere"][0](seat)
    Assignment.objects.filter(reader=seat.reader, image=seat.image()).update(is_done=True)
    page.keyboard.press("4")
    expect(page.locator("[data-not-kept] li")).to_contain_text("graded in another window")
    expect(page.locator("[data-missing]")).to_contain_text("Your list is at its end")
    page.get_by_role("button", name="I have read this").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


# Somebody else at the same browser


def test_another_reader_at_this_browser_sends_nothing_of_the_first(seat: Seat, stage: Stage) -> None:
    page = seat.open()
    page.wait_for_load_state("networkidle")
    second = next(stage.readers)
    seat.sign_out()
    seat.grade(2)
    expect(page.locator("[data-notice]")).to_contain_text("Your session has ended")
    seat.sign_in(second)
    with page.expect_response("**/label/") as answered:
        page.evaluate("dispatchEvent(new Event('online'))")
    assert answered.value.status == 410  # and names the other reader, so it settles nothing
    expect(page.locator("[data-notice]")).to_contain_text("sign in again as yourself")
    tab = seat.context.new_page()
    tab.goto("/read/hostile/")
    await_look(tab)
    tab.keyboard.press("5")
    expect(tab.locator("body[data-unsaved='0']")).to_be_attached()
    assert [label.grade for label in Label.objects.filter(assignment__reader=second)] == [5]
    assert seat.stored() == []
    seat.sign_out()
    seat.sign_in(seat.reader)
    page.reload()
    assert seat.all_saved() == seat.given


def test_a_page_of_one_reader_never_shows_the_list_of_another(seat: Seat, stage: Stage) -> None:
    leave_last(seat)
    page = seat.open()
    seat.sign_out()
    seat.sign_in(next(stage.readers))
    page.keyboard.press("3")
    expect(page.locator("[data-missing]")).to_contain_text("Somebody else has signed in")
    assert page.locator("[data-act] button[name]:enabled").count() == 0
    assert seat.stored() == []


def sign_in_in_another_tab(seat: Seat, reader: Reader) -> None:
    """Sign in as people do, which changes all that names the session."""
    reader.user.set_password(PASSWORD)
    reader.user.save()
    seat.sign_out()
    tab = seat.context.new_page()
    tab.goto("/accounts/login/")
    tab.get_by_label("User name").fill(reader.user.username)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Your reading lists")).to_be_visible()
    tab.close()


WAYS: dict[str, Steps] = {
    "a key": [("press", "4")],
    "a click": [("click", "Severe")],
    "a reason": [("press", "n"), ("press", "1")],
    "undo": [("press", "u")],
}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_else_signed_in_gives_no_grade_at_a_page_that_is_open(seat: Seat, stage: Stage, way: str) -> None:
    """Its images are there, so it would take a grade, and send it when its own reader is back."""
    page, second = seat.open(), next(stage.readers)
    seat.grade(2)
    await_saved(page)
    await_look(page)
    sign_in_in_another_tab(seat, second)
    do(page, WAYS[way])
    expect(page.locator("[data-missing]")).to_contain_text("Somebody else has signed in")
    assert page.locator("[data-act] button[name]:enabled").count() == 0
    sign_in_in_another_tab(seat, seat.reader)
    seat.open()
    assert seat.all_saved() == seat.given
    assert not Label.objects.filter(assignment__reader=second).exists()


@pytest.mark.parametrize("way", ["a key", "a click"])
def test_whoever_signed_in_again_goes_on_at_the_page_that_is_open(seat: Seat, way: str) -> None:
    page = seat.open()
    image = seat.image()
    sign_in_in_another_tab(seat, seat.reader)
    do(page, WAYS[way])
    expect(page.locator(BAR)).to_have_attribute("value", "1")
    assert [act[0] for act in seat.all_saved()] == [image]
    assert seat.stored()[0][1] in {4, 5}

"""Dealing, joining and leaving through the pages, as the person who runs a study does it."""

import re

import pytest
from django.core.management import call_command
from django.test import Client

from labeler.dealing import changes
from labeler.golden_set import golden_draw
from labeler.models import Assignment, Dealing, Study, User
from tests import builders


@pytest.fixture
def drawn(ana: User, ben: User, olga: User) -> Study:
    study = builders.make_study(readers=(ana, ben), images=60)
    study.admins.add(olga)
    golden_draw.draw(study=study, size=10)
    study.refresh_from_db()
    return study


@pytest.fixture
def browser(olga: User) -> Client:
    client = Client()
    client.force_login(olga)
    return client


def deal_as_seen(browser: Client, query: str = "") -> Client:
    page = browser.get(f"/studies/acne/dealing/{query}").content.decode()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    browser.post("/studies/acne/dealing/deal/", hidden, follow=True)
    return browser


def test_what_the_proof_sheet_shows_is_dealt(drawn: Study, browser: Client) -> None:
    page = browser.get("/studies/acne/dealing/?repeats=4").content.decode()
    assert "Proof sheet" in page
    assert not Assignment.objects.exists()
    deal_as_seen(browser, "?repeats=4")
    assert Assignment.objects.filter(is_repeat=True).count() == 8
    assert "In nobody" not in page
    assert "The study was dealt" in browser.get("/studies/acne/dealing/").content.decode()


def test_a_sheet_that_is_out_of_date_is_not_dealt(drawn: Study, browser: Client) -> None:
    page = browser.get("/studies/acne/dealing/").content.decode()
    hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    builders.make_images(drawn, 1)
    answer = browser.post("/studies/acne/dealing/deal/", hidden)
    assert answer.status_code == 409
    assert "have changed since" in answer.content.decode()
    assert not Assignment.objects.exists()


def test_a_design_that_can_not_be_is_refused_in_words(drawn: Study, browser: Client) -> None:
    page = browser.get("/studies/acne/dealing/?overlap=10&readers_each=7").content.decode()
    assert "An image can be read by 2 to 2 readers" in page
    assert "Proof sheet" not in page


def test_readers_are_added_join_and_leave(drawn: Study, browser: Client) -> None:
    assert (
        "password, shown this once"
        in browser.post("/studies/acne/readers/", {"username": "eva", "capacity": 30}, follow=True).content.decode()
    )
    deal_as_seen(browser)
    assert drawn.readers.get(user__username="eva").assignments.count() <= 30
    browser.post("/studies/acne/readers/", {"username": "finn"})
    assert drawn.readers.get(user__username="finn").assignments.count() > 10
    assert browser.post("/studies/acne/readers/R01/leave/", {"reason": ""}).status_code == 422
    browser.post("/studies/acne/readers/R01/leave/", {"reason": "Moved to another town"})
    assert not drawn.readers.get(code="R01").assignments.filter(withdrawn_in=None).exists()
    browser.post("/studies/acne/dealing/back/", {"reason": "She stays after all"})
    assert drawn.readers.get(code="R01").assignments.filter(withdrawn_in=None).exists()


def test_later_images_are_dealt_by_a_button(drawn: Study, browser: Client) -> None:
    deal_as_seen(browser)
    builders.make_images(drawn, 5)
    assert "5 kept images are in nobody" in browser.get("/studies/acne/dealing/").content.decode()
    browser.post("/studies/acne/dealing/images/", {"reason": "From the second clinic"})
    assert drawn.dealings.get(kind=Dealing.Kind.IMAGES).assignments.count() == 5


@pytest.mark.parametrize("page", ["readers/", "dealing/", "readers/R01/leave/"])
def test_readers_and_strangers_get_nothing(drawn: Study, ana: User, page: str) -> None:
    for user in (ana, builders.make_user("stranger")):
        client = Client()
        client.force_login(user)
        assert client.get(f"/studies/acne/{page}").status_code == 404


def test_the_commands_do_the_same(drawn: Study) -> None:
    call_command("deal_folds", "acne", "--repeats", "3")
    call_command("add_reader", "acne", "gina")
    assert drawn.readers.get(user__username="gina").assignments.exists()
    builders.make_images(drawn, 4)
    call_command("deal_images", "acne")
    call_command("remove_reader", "acne", "R02", "--reason", "Ill for long")
    call_command("take_back_dealing", "acne", "--reason", "Well again")
    assert changes.latest(drawn) == drawn.dealings.get(kind=Dealing.Kind.IMAGES)

"""Each row of a long list is on one page, whatever is deleted meanwhile; an address can't break a page."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import pytest
from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from labeler.models import Doubt, Study
from labeler.platform import keyset_pages
from labeler.platform.keyset_pages import ID, NUMBER, TEXT, Page
from labeler.screening import gallery
from tests import builders

Row = TypeVar("Row")


def walk(rows: QuerySet[Any, Row], keys: Sequence[forms.Field], *, size: int) -> Iterator[Row]:
    """Yield the rows of all pages, from the first to the last, as a browser comes to them."""
    query = "?"
    while query:
        page = keyset_pages.turn_to(rows, keys, size=size, asked=QueryDict(query[1:]))
        yield from page.rows
        query = page.next


@pytest.fixture
def study(db: None) -> Study:
    """Return a study of six images; the readers disagree on five, and as much on three of them."""
    study = builders.make_study()
    images = builders.make_images(study, 6)
    for image, spread in zip(images, (0.1, 1 / 3, 2.0, 1 / 3, 1 / 3), strict=False):
        Doubt.objects.create(image=image, study=study, spread=spread)
    return study


def turn_to(study: Study, query: str = "", *, size: int = 2) -> Page[Doubt]:
    return keyset_pages.turn_to(gallery.disputed(study), [NUMBER, ID], size=size, asked=QueryDict(query))


def test_an_empty_list_has_one_page(study: Study) -> None:
    assert keyset_pages.turn_to(study.images.none().order_by("pk"), [ID], size=2, asked=QueryDict()) == Page([], "", "")


def test_exactly_one_page_has_no_next_one(study: Study) -> None:
    assert turn_to(study, size=5) == Page(list(gallery.disputed(study)), "", "")
    assert turn_to(study, size=4).next


@pytest.mark.parametrize("size", [1, 2, 3])
def test_rows_with_a_key_in_common_are_on_one_page_each(study: Study, size: int) -> None:
    assert list(walk(gallery.disputed(study), [NUMBER, ID], size=size)) == list(gallery.disputed(study))


def test_a_row_that_is_deleted_leaves_the_next_page_where_it_was(study: Study) -> None:
    _, last, *following = gallery.disputed(study)
    query = turn_to(study).next
    last.delete()
    assert turn_to(study, query[1:], size=5).rows == following


def test_a_link_asks_for_the_rest_of_the_address_too(study: Study) -> None:
    first = turn_to(study, "show=both&tag=a&tag=b")
    assert first.first == ""
    assert first.next.startswith("?show=both&tag=a&tag=b&after=")
    second = turn_to(study, first.next[1:])
    assert second.first == "?show=both&tag=a&tag=b"
    assert second.next.count("after=") == 2


MALFORMED = (
    *("after=", "after=1", "after=x&after=1", "after=1&after=1&after=1", "after=1&after=x", "after=1&after=-1"),
    *("after=nan&after=1", "after=inf&after=1", f"after=1&after={2**63}", "after=1&after=1%00"),
)


@pytest.mark.parametrize("query", MALFORMED)
def test_malformed_keys_ask_for_the_first_page(study: Study, query: str) -> None:
    assert turn_to(study, query) == turn_to(study)


def test_a_text_is_a_key_as_it_is(study: Study) -> None:
    for name, image in zip((" b", "a&after=1", "B", "é", "b", "b "), study.images.order_by("pk"), strict=True):
        study.images.filter(pk=image.pk).update(subject=name)
    named = study.images.order_by("subject")
    assert list(walk(named, [TEXT], size=1)) == list(named)
    assert keyset_pages.turn_to(named, [TEXT], size=9, asked=QueryDict("after=a%00")).rows == list(named)


def test_a_list_whose_order_has_other_keys_is_a_mistake(study: Study) -> None:
    with pytest.raises(ValueError, match="zip"):
        keyset_pages.turn_to(gallery.disputed(study), [ID], size=2, asked=QueryDict())

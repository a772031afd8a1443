"""Long lists in pages by key (keyset pagination): a page begins after the keys of the last row of the page before.

Pages by number read and drop all rows before theirs; with an index of its keys, a list of a million costs no more
than a short one. A row that is deleted between two pages changes nothing: its keys stand in the address, not its id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.datastructures import MultiValueDict
from django.utils.http import urlencode

AFTER = "after"  # the parameter of an address, once for each key

# How the keys of a list are read from an address.
ID = forms.IntegerField(min_value=0, max_value=2**63 - 1)
NUMBER = forms.FloatField()
TEXT = forms.CharField(max_length=255, strip=False)

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list, and where its links lead (templates/_pages.html)."""

    rows: list[Row]
    next: str  # the query of the page that follows; empty on the last page
    first: str  # the query of the first page; empty on it


def turn_to(
    rows: QuerySet[Any, Row], keys: Sequence[forms.Field], *, size: int, asked: MultiValueDict[str, str]
) -> Page[Row]:
    """Return the page of at most `size` rows that the address asks for; the first one where its keys are malformed.

    `rows` are ordered by names of columns, which together are unique; `keys` say how the value of each is read.
    """
    order = dict(zip(map(str, rows.query.order_by), keys, strict=True))
    after = _read(asked.getlist(AFTER), keys)
    found = list((rows.filter(_following(list(zip(order, after, strict=True)))) if after else rows)[: size + 1])
    query = MultiValueDict[str, str](dict(asked.lists()))
    query.pop(AFTER, None)
    first = f"?{urlencode(query, doseq=True)}" if after else ""
    if len(found) <= size:
        return Page(found, "", first)
    query.setlist(AFTER, [_value(found[size - 1], name.removeprefix("-")) for name in order])
    return Page(found[:size], f"?{urlencode(query, doseq=True)}", first)


def _read(values: Sequence[str], keys: Sequence[forms.Field]) -> list[Any]:
    if len(values) != len(keys):
        return []
    try:
        return [key.clean(value) for key, value in zip(keys, values, strict=True)]
    except ValidationError:
        return []


def _following(keys: Sequence[tuple[str, Any]]) -> Q:
    """Return the condition of the rows after these keys.

    It is "this name or a later one, and (a later name, or a later id)", as an index can't be entered at "a later
    name, or (this name and a later id)".
    """
    (name, value), *rest = keys
    column, later = (name[1:], "lt") if name.startswith("-") else (name, "gt")
    is_later = Q(**{f"{column}__{later}": value})
    return Q(**{f"{column}__{later}e": value}) & (is_later | _following(rest)) if rest else is_later


def _value(row: Any, column: str) -> str:
    return str(row[column] if isinstance(row, dict) else getattr(row, column))

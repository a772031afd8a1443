"""The base of the site's forms: labels without a colon, typed access to fields."""

from typing import Any, TypeVar

from django import forms

LARGEST_INTEGER = 2**31 - 1  # PostgreSQL's

AnyField = TypeVar("AnyField", bound=forms.Field)


class Form(forms.Form):
    """A form whose labels end as they are written, wherever it is made: Django would add a colon."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


def field_of(form: forms.Form, name: str, kind: type[AnyField]) -> AnyField:
    """Return the form's field of this name. Raises TypeError where it is of another kind."""
    field = form.fields[name]
    if not isinstance(field, kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return field

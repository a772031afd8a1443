"""A form's fields under their own types."""

from typing import TypeVar

from django import forms

AnyField = TypeVar("AnyField", bound=forms.Field)


def field_of(form: forms.Form, name: str, kind: type[AnyField]) -> AnyField:
    """Return the form's field of this name. Raises TypeError where it is of another kind."""
    field = form.fields[name]
    if not isinstance(field, kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return field

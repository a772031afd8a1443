"""Forms for the design of a deal, and for readers who join or leave."""

from typing import Any

from django import forms

from labeler.dealing.folds import Design
from labeler.golden_set import strata
from labeler.models import Study
from labeler.platform.form_fields import LARGEST_INTEGER, Form, field_of


class DesignForm(Form):
    """A design to preview; the published study's where nothing is said."""

    repeats = forms.IntegerField(
        min_value=0, max_value=10_000, initial=0, label="Repeats", help_text="Images that each reader meets twice."
    )
    gap = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_INTEGER,
        label="Places between",
        help_text="Least number between the two readings. Empty: a twentieth of the list.",
    )
    overlap = forms.IntegerField(
        min_value=0,
        max_value=LARGEST_INTEGER,
        initial=0,
        label="Shared ordinary images",
        help_text="Ordinary images that several readers read.",
    )
    readers_each = forms.IntegerField(
        min_value=2, max_value=1000, initial=2, label="Readers of each", help_text="How many read each shared image."
    )
    by = forms.ChoiceField(required=False, label="Spread evenly", help_text="Every reader gets as many of each kind.")

    def __init__(self, data: Any, *, study: Study) -> None:
        first = {name: field.initial for name, field in self.base_fields.items() if field.initial is not None}
        super().__init__({**first, **data})
        field_of(self, "by", forms.ChoiceField).choices = [("", "Whatever comes"), *strata.choices(study)]

    def design(self) -> Design:
        return Design(**self.cleaned_data)


class DealForm(Form):
    """Confirmation of a previewed plan, by its digest."""

    digest = forms.CharField(max_length=64, widget=forms.HiddenInput)


class ActForm(Form):
    """Why lists are changed."""

    reason = forms.CharField(max_length=300, min_length=5, label="Why?", help_text="It is kept in the audit log.")


class NewReaderForm(Form):
    """A person who is to read a study."""

    username = forms.CharField(
        max_length=150, label="User name", help_text="Who has no account yet gets one; its password is shown once."
    )
    capacity = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_INTEGER,
        label="Longest list",
        help_text="Golden images and repeats included. Empty: no limit.",
    )


class CapacityForm(Form):
    """How much a reader takes."""

    capacity = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_INTEGER)

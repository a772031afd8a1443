"""Forms for the design of a deal, and for readers who join or leave."""

from typing import Any

from django import forms

from labeler.dealing.folds import Design
from labeler.golden_set import strata
from labeler.models import Study, User
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
    is_sure = forms.BooleanField(required=False, label="I want to read this study myself", widget=forms.HiddenInput)

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("username") == self.by.username and not self.cleaned_data.get("is_sure"):
            self.fields["is_sure"].widget = forms.CheckboxInput()
            self.add_error(
                "is_sure",
                "This is your own account. Once you accept to read, you no longer see grades, golden set, report, "
                "runs, exports and audit log of this study until you leave it. Tick this if that is what you want.",
            )
        return self.cleaned_data


class CapacityForm(Form):
    """How much a reader takes."""

    capacity = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_INTEGER)

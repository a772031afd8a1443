"""Forms for consent, erasure and retention."""

from typing import Any

from django import forms

from labeler.models import ConsentScope, Study
from labeler.platform.form_fields import Form


class SubjectsForm(Form):
    """Which subjects to show."""

    name = forms.CharField(required=False, max_length=100, label="Code begins with")


class ConsentForm(Form):
    """What a person agrees to from now on."""

    scopes = forms.MultipleChoiceField(
        required=False,
        choices=ConsentScope.choices,
        widget=forms.CheckboxSelectMultiple,
        label="They agree that",
    )
    given_on = forms.DateField(required=False, label="Said on", widget=forms.DateInput(attrs={"type": "date"}))
    source = forms.CharField(
        required=False, max_length=200, label="Written down in", help_text="A form or a file, without their name."
    )


class EraseForm(Form):
    """Why a person is erased."""

    reason = forms.CharField(
        min_length=5,
        max_length=300,
        label="Why",
        help_text="Kept in the audit log and on the certificate, without their name: letter of 3 May.",
    )


class TakingOutForm(Form):
    """Why an image is taken out of its study, or taken back in."""

    # As the page showed it: a second click must not undo the first.
    is_taken_out = forms.BooleanField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        min_length=5, max_length=300, label="Why", help_text="Kept in the audit log, so without anybody's name."
    )


class PolicyForm(Form):
    """Whether silence is consent, and how long photographs stay."""

    needs_consent = forms.BooleanField(
        required=False, label="Only images with a recorded consent are dealt and learned from"
    )
    erase_on = forms.DateField(
        required=False, label="Erase all photographs on", widget=forms.DateInput(attrs={"type": "date"})
    )
    months = forms.IntegerField(required=False, min_value=0, max_value=600, label="Or so many months after closing")

    @classmethod
    def of(cls, study: Study) -> "PolicyForm":
        time = {"erase_on": study.erase_on, "months": study.erase_months_after_closing}
        return cls(initial={"needs_consent": study.needs_consent, **time})

    def time(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("erase_on", "months")}

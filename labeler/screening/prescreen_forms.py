"""Forms for prescreening: limits and decisions."""

from typing import Any

from django import forms
from django.utils.http import urlencode

from labeler.models import Study
from labeler.platform.form_fields import Form
from labeler.screening import prescreen
from labeler.screening.prescreen import MEASURES, Limits

# Of a form: more images at once are what limits are for.
MOST_DECISIONS = 10_000
VERDICTS = {"keep": True, "drop": False, "reset": None}


class LimitsForm(Form):
    """The smallest and the largest allowed value of every measure; an empty field is no limit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for measure in MEASURES:
            for end, word in (("min", "Smallest"), ("max", "Largest")):
                self.fields[f"{measure.name}_{end}"] = forms.FloatField(
                    required=False,
                    label=f"{word} {measure.title.lower()} allowed",
                    min_value=-1e6,
                    max_value=1e6,
                    widget=forms.NumberInput(attrs={"step": "any", "placeholder": "no limit", "inputmode": "decimal"}),
                )

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            try:
                prescreen.check(self.limits())
            except prescreen.PrescreenError as error:
                self.add_error(None, str(error))
        return self.cleaned_data

    def limits(self) -> dict[str, tuple[float | None, float | None]]:
        """Return the limits that are limits."""
        cleaned = self.cleaned_data
        pairs = {one.name: (cleaned[f"{one.name}_min"], cleaned[f"{one.name}_max"]) for one in MEASURES}
        return {name: bounds for name, bounds in pairs.items() if bounds != (None, None)}


def limits_data(limits: Limits) -> dict[str, str]:
    """Return limits as the form's fields, those without a limit empty."""
    data = {}
    for measure in MEASURES:
        for end, bound in zip(("min", "max"), limits.get(measure.name, (None, None)), strict=True):
            data[f"{measure.name}_{end}"] = "" if bound is None else f"{bound:g}"
    return data


def limits_query(limits: Limits) -> str:
    return urlencode(limits_data(limits))


class SaveForm(Form):
    """Why these limits."""

    reason = forms.CharField(
        min_length=3,
        max_length=300,
        label="Why these limits",
        help_text="Kept with your name and the limits, for good.",
    )


class WhichForm(Form):
    """Which images to look at."""

    which = forms.ChoiceField(
        required=False,
        label="Images",
        choices=[
            ("", "Outside any of the limits"),
            *((measure.name, f"Outside the limits of {measure.title.lower()}") for measure in MEASURES),
            ("dropped", "Dropped now"),
            ("kept", "Kept now"),
            ("by_hand", "Kept or dropped by hand"),
        ],
    )


class DecisionForm(Form):
    """A person's decision on images, whatever their measures say."""

    verdict = forms.TypedChoiceField(
        label="What becomes of them",
        choices=[("drop", "Drop"), ("keep", "Keep"), ("reset", "Leave it to the measures")],
        coerce=VERDICTS.get,
        empty_value=None,
    )
    reason = forms.CharField(min_length=3, max_length=300, label="Why", help_text="Kept with your name, for good.")


class ManyForm(DecisionForm):
    """The same, of many images: those that are ticked, or all that were found."""

    everything = forms.ChoiceField(
        label="Which of them",
        choices=[("", "Those that are ticked"), ("yes", f"All that are found (up to {MOST_DECISIONS:,})")],
        required=False,
    )
    images = forms.TypedMultipleChoiceField(required=False, coerce=int)

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.study = study
        ticked = self.data.getlist("images") if self.is_bound else []  # type: ignore[attr-defined]
        choices = [(pk, pk) for pk in ticked if pk.isdecimal() and len(pk) < 19]  # fits a bigint
        self.fields["images"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        if not self.errors and not self.cleaned_data["everything"] and not self.cleaned_data["images"]:
            self.add_error(None, "No image is ticked. Tick some, or choose all that are found.")
        return self.cleaned_data

"""Forms for near-duplicates: which to show, and a decision on them."""

from typing import Any

from django import forms

from labeler.models import SimilarPair
from labeler.platform.form_fields import Form
from labeler.screening.near_duplicates import BEST

Verdict = SimilarPair.Verdict
LARGEST = 2**63 - 1  # id


class ClustersForm(Form):
    """Which clusters or pairs to show."""

    show = forms.ChoiceField(
        required=False,
        label="Show",
        choices=[
            ("", "All clusters"),
            (Verdict.SUSPECTED, "With something to judge"),
            (Verdict.CONFIRMED, "Confirmed"),
            (Verdict.DISTINCT, "Pairs called different"),
        ],
    )

    def __init__(self, *args: Any, is_unblinded: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_unblinded:
            show = self.fields["show"]
            show.choices = [*show.choices, ("both", "Both golden and ordinary")]  # type: ignore[attr-defined]


class VerdictForm(Form):
    """Whether a pair, or every pair of a cluster, is one photograph."""

    verdict = forms.ChoiceField(choices=Verdict.choices)
    pair = forms.IntegerField(required=False, min_value=1, max_value=LARGEST)
    cluster = forms.IntegerField(required=False, min_value=1, max_value=LARGEST)

    def clean(self) -> dict[str, Any]:
        if bool(self.cleaned_data.get("pair")) == bool(self.cleaned_data.get("cluster")):
            self.add_error(None, "Name a pair or a cluster.")
        return self.cleaned_data


class BestForm(Form):
    """Which one of a cluster to keep."""

    cluster = forms.IntegerField(min_value=1, max_value=LARGEST)
    best = forms.ChoiceField(choices=[(name, words) for name, (words, _) in BEST.items()])


class SubjectForm(Form):
    """The subject of an image."""

    subject = forms.CharField(
        required=False, max_length=100, label="Subject", help_text="A code for the person; empty where not known."
    )
    is_another = forms.BooleanField(required=False, label="Another person than those whose codes look like this one")

"""Forms for the golden draw and for closing a study."""

from typing import Any

from django import forms

from labeler.golden_set import judging_rule, provisional_scores, strata
from labeler.models import JudgingRule, Study, User
from labeler.platform.form_fields import LARGEST_INTEGER, Form, field_of


class GoldenForm(Form):
    """A golden set to draw."""

    size = forms.IntegerField(
        min_value=1, max_value=LARGEST_INTEGER, label="Images", help_text="The published study had 230 of 4,700."
    )
    by = forms.ChoiceField(
        required=False, label="Spread over", help_text="Of each kind as many as its share of the images."
    )

    def __init__(self, data: Any, *, study: Study) -> None:
        super().__init__(data)
        field_of(self, "by", forms.ChoiceField).choices = [("", "Nothing: at random"), *strata.choices(study)]


class NamesForm(Form):
    """A golden set chosen by hand."""

    names = forms.CharField(
        max_length=2_000_000,
        label="File names",
        help_text="One to a line.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class SourceForm(Form):
    """Whose regressor scores the images provisionally."""

    source = forms.ModelChoiceField(
        queryset=Study.objects.none(), label="By the regressor of", help_text="A study that you run.", empty_label=None
    )

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        field_of(self, "source", forms.ModelChoiceField).queryset = provisional_scores.sources(user)


class RuleForm(Form):
    """By which rule the machine is judged."""

    against = forms.ChoiceField(choices=JudgingRule.Against.choices, label="Held against")
    margin = forms.FloatField(
        min_value=0,
        max_value=judging_rule.LARGEST_MARGIN,
        step_size=0.01,
        label="Margin to that reader",
        help_text="In grades of RMSE. 0: it must be shown to be closer than that reader.",
    )
    active_margin = forms.FloatField(
        min_value=0.01,
        max_value=judging_rule.LARGEST_MARGIN,
        step_size=0.01,
        label="Margin to the regressor in service",
        help_text="How much worse than that one it must be shown not to be.",
    )
    reason = forms.CharField(
        min_length=5,
        max_length=300,
        required=False,
        label="Why?",
        help_text="Needed once somebody has graded. Reports quote it.",
    )


class CloseForm(Form):
    """The end of a study."""

    slug = forms.CharField(label="The study's short name", help_text="Typed out, because closing is final.")
    reason = forms.CharField(min_length=5, max_length=300, label="Why?", help_text="It is kept in the audit log.")

    def __init__(self, data: Any, *, study: Study) -> None:
        super().__init__(data)
        self.study = study

    def clean_slug(self) -> str:
        if self.cleaned_data["slug"] != self.study.slug:
            raise forms.ValidationError(f"The short name is {self.study.slug}.")
        return self.study.slug

"""Forms of the grading page: a label, an undo, a request for more images."""

from dataclasses import fields
from typing import Any

from django import forms

from labeler.grading.label_store import Viewing
from labeler.grading.queries import is_on_scale
from labeler.models import InputKind, NotGradable, Study
from labeler.platform.form_fields import LARGEST_INTEGER, Form


class LabelForm(Form):
    """One act of grading: a grade, or a reason why there is none."""

    submission = forms.UUIDField()
    version = forms.IntegerField(min_value=0)
    grade = forms.IntegerField(required=False)
    not_gradable = forms.ChoiceField(required=False, choices=[("", ""), *NotGradable.choices])
    note = forms.CharField(required=False, max_length=200)
    visible_ms = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_INTEGER)
    zoom = forms.FloatField(required=False, min_value=0, max_value=1000)
    viewport_width = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_INTEGER)
    viewport_height = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_INTEGER)
    pixel_ratio = forms.FloatField(required=False, min_value=0, max_value=1000)
    input_kind = forms.ChoiceField(required=False, choices=[("", ""), *InputKind.choices])

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.study = study

    def clean_grade(self) -> int | None:
        grade: int | None = self.cleaned_data["grade"]
        if grade is not None and not is_on_scale(self.study, grade):
            raise forms.ValidationError(f"{grade} is not a grade of this study.")
        return grade

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        has_grade = cleaned.get("grade") is not None
        has_reason = bool(cleaned.get("not_gradable"))
        if not self.errors and has_grade == has_reason:
            raise forms.ValidationError("Give a grade, or a reason why the image can't be graded.")
        return cleaned

    def act(self) -> dict[str, Any]:
        """Return what `grading.record_label` takes."""
        viewing = {field.name: self.cleaned_data[field.name] for field in fields(Viewing)}
        act = {name: value for name, value in self.cleaned_data.items() if name not in viewing}
        return {**act, "viewing": Viewing(**viewing)}


class UndoForm(Form):
    """Taking back the label of an image."""

    submission = forms.UUIDField()
    version = forms.IntegerField(min_value=1)

    def act(self) -> dict[str, Any]:
        return self.cleaned_data


class QueueForm(Form):
    """Which images a page asks for: to grade, behind the last one it knows, or those graded before one."""

    after = forms.UUIDField(required=False)
    before = forms.UUIDField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not (cleaned.get("after") or cleaned.get("before")):
            raise forms.ValidationError("Name an image.")
        return cleaned


class LookingBackForm(Form):
    """That an act came from the page of graded images, and which part of it: behind which position, 0 for the first."""

    looking_back = forms.IntegerField(min_value=0, max_value=LARGEST_INTEGER)

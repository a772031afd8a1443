"""What readers and admins send us, checked."""

from typing import Any

from django import forms

from labeler.models import NotGradable, Study


class LabelForm(forms.Form):
    """One act of grading: a grade, or a reason why there is none."""

    submission = forms.UUIDField()
    version = forms.IntegerField(min_value=0)
    grade = forms.IntegerField(required=False)
    not_gradable = forms.ChoiceField(required=False, choices=[("", ""), *NotGradable.choices])
    note = forms.CharField(required=False, max_length=200)
    visible_ms = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.study = study

    def clean_grade(self) -> int | None:
        grade: int | None = self.cleaned_data["grade"]
        if grade is not None and not self.study.grade_levels.filter(value=grade).exists():
            raise forms.ValidationError(f"{grade} is not a grade of this study.")
        return grade

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        has_grade = cleaned.get("grade") is not None
        has_reason = bool(cleaned.get("not_gradable"))
        if not self.errors and has_grade == has_reason:
            raise forms.ValidationError("Give a grade, or a reason why the image can't be graded.")
        return cleaned


class UndoForm(forms.Form):
    """Taking back the label of an image."""

    submission = forms.UUIDField()
    version = forms.IntegerField(min_value=1)


class QueueForm(forms.Form):
    """Which images a page asks for: those after one it has."""

    after = forms.UUIDField()

"""The form of the planning page."""

from dataclasses import asdict
from typing import Any, ClassVar

from django import forms

from labeler.models import Study
from labeler.platform.form_fields import Form
from training.statistics.planning import LIMITS, Design


class ReasonForm(Form):
    """Why a regressor is put in service by hand."""

    reason = forms.CharField(min_length=5, max_length=300, label="Why?", help_text="It is kept in the audit log.")


class ReaderForm(Form):
    """Whether a reader who stands out sets a bar."""

    counts = forms.ChoiceField(
        choices=[("no", "sets no bar"), ("yes", "sets the bar like the others")],
        label="This reader",
    )
    reason = forms.CharField(min_length=5, max_length=300, label="Why?", help_text="It is kept in the audit log.")


class NightForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own class takes no parameter when it runs
    """When a study is retrained."""

    class Meta:
        model = Study
        fields = ("retrain_at",)
        labels: ClassVar = {"retrain_at": "Retrained every day at"}
        widgets: ClassVar = {"retrain_at": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")}


def _whole(name: str, label: str, help_text: str) -> forms.IntegerField:
    low, high = LIMITS[name]
    return forms.IntegerField(min_value=int(low), max_value=int(high), label=label, help_text=help_text)


def _number(name: str, label: str, help_text: str) -> forms.FloatField:
    low, high = LIMITS[name]
    return forms.FloatField(min_value=low, max_value=high, step_size=0.01, label=label, help_text=help_text)


class PlanForm(Form):
    """A design to simulate; the published study's where a page does not say."""

    readers = _whole("readers", "Readers", "Dermatologists who read.")
    golden = _whole("golden", "Golden images", "Graded by every reader, trained on never.")
    repeats = _whole("repeats", "Repeats per reader", "Images that a reader meets a second time, unannounced.")
    drop_out = _number("drop_out", "Drop-out", "Share of the readers who stop on the way, 0 to 0.9.")
    noise = _number(
        "noise", "Noise of one grade", "Standard deviation around what a reader says on average, in grades."
    )
    bias = _number(
        "bias", "Spread of biases", "How much readers differ in being mild or strict; standard deviation, in grades."
    )
    machine = _number("machine", "Error of the machine", "Standard deviation of the score around the truth, in grades.")
    grades = _whole("grades", "Grades", "Steps of the grading scale.")
    margin = _number("margin", "Margin", "Grades of RMSE that the machine may be farther off than the worst reader.")
    power = _number("power", "Power", "The chance that what is so will be established, 0.5 to 0.99.")

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__({**asdict(Design()), **data})

    def design(self) -> Design:
        return Design(**self.cleaned_data)

"""What readers and admins send us, checked."""

from dataclasses import fields
from typing import Any, TypeVar

from django import forms

from labeler import gallery, renditions
from labeler.gallery import Wanted
from labeler.grading import Viewing
from labeler.models import AuditEvent, InputKind, NotGradable, Reader, Study, User
from scoring import images

AnyField = TypeVar("AnyField", bound=forms.Field)
LARGEST_INTEGER = 2**31 - 1  # PostgreSQL's


class LabelForm(forms.Form):
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

    def act(self) -> dict[str, Any]:
        """Return what `grading.record_label` takes."""
        viewing = {field.name: self.cleaned_data[field.name] for field in fields(Viewing)}
        act = {name: value for name, value in self.cleaned_data.items() if name not in viewing}
        return {**act, "viewing": Viewing(**viewing)}


class UndoForm(forms.Form):
    """Taking back the label of an image."""

    submission = forms.UUIDField()
    version = forms.IntegerField(min_value=1)

    def act(self) -> dict[str, Any]:
        return self.cleaned_data


class ImageForm(forms.Form):
    """How large an image a page wants: the smallest unless it says otherwise."""

    size = forms.ChoiceField(required=False, choices=[(size, size) for size in renditions.SIZES])

    def clean_size(self) -> str:
        return self.cleaned_data["size"] or renditions.SIZES[0]


class QueueForm(forms.Form):
    """Which images a page asks for: those after the last one it knows."""

    after = forms.UUIDField()


class ReasonForm(forms.Form):
    """Why somebody must know which images are golden."""

    reason = forms.CharField(
        max_length=300,
        min_length=5,
        label="Why do you need to know?",
        help_text="A sentence for the audit log, such as: the study is over and we analyse it.",
    )


class AtlasForm(forms.Form):
    """An example picture of a grade."""

    picture = forms.FileField(help_text="JPEG, PNG or WebP, up to 20 MB.")
    caption = forms.CharField(
        required=False, max_length=200, help_text="What to look at, and where the picture is from."
    )

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        level = forms.ModelChoiceField(study.grade_levels.all(), label="Grade", empty_label=None)
        self.fields = {"level": level, **self.fields}

    def clean_picture(self) -> images.Pixels:
        try:
            return images.decode(self.cleaned_data["picture"].read(images.MAX_SELFIE_BYTES + 1))
        except images.ImageError as error:
            raise forms.ValidationError(str(error)) from error

    def example(self) -> dict[str, Any]:
        """Return what `atlas.add_picture` takes."""
        return {
            "level": self.cleaned_data["level"],
            "pixels": self.cleaned_data["picture"],
            "caption": self.cleaned_data["caption"],
        }


YES_OR_NO = {"yes": True, "no": False}


class GalleryForm(forms.Form):
    """Which images of a study to show. An empty field does not matter."""

    grade = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)
    reader = forms.ModelChoiceField(queryset=Reader.objects.none(), required=False, empty_label="Anybody")
    not_gradable = forms.ChoiceField(
        required=False, label="Not gradable", choices=[("", "Does not matter"), *NotGradable.choices]
    )
    kept = forms.TypedChoiceField(
        required=False,
        label="Prescreening",
        choices=[("", "Kept and dropped"), ("yes", "Kept"), ("no", "Dropped")],
        coerce=YES_OR_NO.get,
        empty_value=None,
    )
    duplicates = forms.TypedChoiceField(
        required=False,
        label="Near-duplicates",
        choices=[("", "With and without"), ("yes", "With"), ("no", "Without")],
        coerce=YES_OR_NO.get,
        empty_value=None,
    )
    name = forms.CharField(required=False, max_length=255, label="Name begins with")
    column = forms.ChoiceField(required=False, label="Metadata")
    value = forms.CharField(required=False, max_length=200, label="Its value")

    def __init__(self, *args: Any, study: Study, is_unblinded: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        levels = [(level.value, str(level)) for level in study.grade_levels.all()]
        _field(self, "grade", forms.TypedChoiceField).choices = [("", "Any or none"), *levels]
        _field(self, "reader", forms.ModelChoiceField).queryset = study.readers.all()
        columns = [(column, column) for column in gallery.columns(study)]
        _field(self, "column", forms.ChoiceField).choices = [("", "Does not matter"), *columns]
        if is_unblinded:
            self.fields["golden"] = forms.TypedChoiceField(
                required=False,
                choices=[("", "Golden and ordinary"), ("yes", "Golden"), ("no", "Ordinary")],
                coerce=YES_OR_NO.get,
                empty_value=None,
            )

    def wanted(self) -> Wanted:
        cleaned = self.cleaned_data
        return Wanted(
            grade=cleaned["grade"],
            reader=cleaned["reader"],
            not_gradable=cleaned["not_gradable"],
            is_kept=cleaned["kept"],
            has_duplicates=cleaned["duplicates"],
            name=cleaned["name"],
            column=cleaned["column"],
            value=cleaned["value"],
            is_golden=cleaned.get("golden"),
        )


class PlaceForm(forms.Form):
    """From which row on a long list is shown: after the one that the page before ended with."""

    after = forms.IntegerField(min_value=0, max_value=2**63 - 1)


class AuditForm(forms.Form):
    """Whose acts, and which, to show."""

    person = forms.ModelChoiceField(queryset=User.objects.none(), required=False, empty_label="Everybody")
    action = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        events = AuditEvent.objects.filter(study=study).order_by()
        people = User.objects.filter(pk__in=events.values("user")).order_by("username")
        _field(self, "person", forms.ModelChoiceField).queryset = people
        actions = sorted(events.values_list("action", flat=True).distinct())
        _field(self, "action", forms.ChoiceField).choices = [("", "Everything"), *((act, act) for act in actions)]


def _field(form: forms.Form, name: str, kind: type[AnyField]) -> AnyField:
    field = form.fields[name]
    if not isinstance(field, kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return field

"""The gallery's filters."""

import unicodedata
from typing import Any

from django import forms

from labeler.models import NotGradable, Reader, Study
from labeler.platform.form_fields import Form, field_of
from labeler.screening import gallery
from labeler.screening.gallery import Wanted

YES_OR_NO = {"yes": True, "no": False}

# What is found by two readers or two grades is golden: ordinary images have one reader.
UNBLINDING = ("golden", "grade", "reader", "not_gradable")


class GalleryForm(Form):
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
    taken_out = forms.TypedChoiceField(
        required=False,
        label="Taken out",
        choices=[("", "In and out"), ("no", "In the study"), ("yes", "Taken out")],
        coerce=YES_OR_NO.get,
        empty_value=None,
    )
    turned = forms.ChoiceField(
        required=False,
        label="Turned",
        choices=[("", "Does not matter"), ("face", "As its face stands"), ("hand", "By hand")],
    )
    name = forms.CharField(required=False, max_length=255, label="Name begins with")
    column = forms.ChoiceField(required=False, label="Metadata")
    value = forms.CharField(required=False, max_length=200, label="Its value")
    golden = forms.TypedChoiceField(
        required=False,
        choices=[("", "Golden and ordinary"), ("yes", "Golden"), ("no", "Ordinary")],
        coerce=YES_OR_NO.get,
        empty_value=None,
    )

    def __init__(self, *args: Any, study: Study, is_unblinded: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        levels = [(level.value, str(level)) for level in study.grade_levels.all()]
        field_of(self, "grade", forms.TypedChoiceField).choices = [("", "Any or none"), *levels]
        field_of(self, "reader", forms.ModelChoiceField).queryset = study.readers.all()
        columns = [(column, column) for column in gallery.columns(study)]
        field_of(self, "column", forms.ChoiceField).choices = [("", "Does not matter"), *columns]
        if not is_unblinded:
            for name in UNBLINDING:
                del self.fields[name]

    def clean_name(self) -> str:
        return unicodedata.normalize("NFC", self.cleaned_data["name"])  # as names are stored

    def wanted(self) -> Wanted:
        cleaned = self.cleaned_data
        return Wanted(
            grade=cleaned.get("grade"),
            reader=cleaned.get("reader"),
            not_gradable=cleaned.get("not_gradable", ""),
            is_kept=cleaned["kept"],
            has_duplicates=cleaned["duplicates"],
            is_taken_out=cleaned["taken_out"],
            turned=cleaned["turned"],
            name=cleaned["name"],
            column=cleaned["column"],
            value=cleaned["value"],
            is_golden=cleaned.get("golden"),
        )

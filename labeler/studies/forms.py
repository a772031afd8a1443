"""Forms for a new study and its atlas."""

from typing import Any

from django import forms

from labeler.models import Study
from labeler.platform.form_fields import Form
from scoring.photograph import decoding, formats


class NewStudyForm(Form):
    """A study to make."""

    title = forms.CharField(max_length=200, label="Title", help_text="The name that readers see.")
    slug = forms.SlugField(
        max_length=50, label="Short name", help_text="For addresses and commands, such as acne-2026. It stays."
    )


class AtlasForm(Form):
    """An example picture of a grade."""

    picture = forms.FileField(help_text=f"{formats.ANY_OF_THEM}, up to {decoding.MAX_SELFIE_BYTES // 2**20} MB.")
    caption = forms.CharField(
        required=False, max_length=200, help_text="What to look at, and where the picture is from."
    )

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        level = forms.ModelChoiceField(study.grade_levels.all(), label="Grade", empty_label=None)
        self.fields = {"level": level, **self.fields}

    def clean_picture(self) -> decoding.Pixels:
        try:
            return decoding.decode(self.cleaned_data["picture"].read(decoding.MAX_SELFIE_BYTES + 1))
        except decoding.ImageError as error:
            raise forms.ValidationError(str(error)) from error

    def example(self) -> dict[str, Any]:
        """Return what `atlas.add_picture` takes."""
        return {
            "level": self.cleaned_data["level"],
            "pixels": self.cleaned_data["picture"],
            "caption": self.cleaned_data["caption"],
        }

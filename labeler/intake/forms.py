"""Forms for uploads and for a table of metadata."""

from django import forms

from labeler.intake import metadata
from labeler.intake.metadata import MetadataError, Rows
from labeler.intake.uploads import LONGEST_NAME, MAX_ZIP_BYTES
from labeler.platform.form_fields import Form


class PieceForm(Form):
    """Which piece of which file comes."""

    name = forms.CharField(max_length=LONGEST_NAME)
    size = forms.IntegerField(min_value=0, max_value=MAX_ZIP_BYTES)
    offset = forms.IntegerField(min_value=0, max_value=MAX_ZIP_BYTES, required=False)


class PlaceForm(Form):
    """Where in object storage photographs lie."""

    place = forms.CharField(max_length=400, label="Place", help_text="Such as s3://bucket/folder.")


class MetadataForm(Form):
    """A table of what is known of the images."""

    table = forms.FileField(
        label="CSV file",
        help_text="One row per image. The first column, or one called file, is its name; subject is the person, "
        "consent what they agreed to (grading, training, sharing, all or none) and consent_date the day.",
    )

    def clean_table(self) -> Rows:
        try:
            return metadata.parse(self.cleaned_data["table"].read(metadata.MAX_BYTES + 1))
        except MetadataError as error:
            raise forms.ValidationError(str(error)) from error

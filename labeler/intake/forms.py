"""Forms for uploads and for a table of metadata."""

from django import forms

from labeler.intake.importing import LONGEST_NAME
from labeler.intake.metadata import CODE_DIGITS, Answers
from labeler.intake.uploads import WHOLE_MARK
from labeler.platform.form_fields import Form

LARGEST = 2**63 - 1  # bytes that the database has a number for


class PieceForm(Form):
    """Which piece of which file comes."""

    name = forms.CharField(max_length=LONGEST_NAME)
    size = forms.IntegerField(min_value=0, max_value=LARGEST)  # what is too large gets its own sentence
    offset = forms.IntegerField(min_value=0, max_value=LARGEST, required=False)
    mark = forms.CharField(max_length=WHOLE_MARK, required=False)


class PlaceForm(Form):
    """Where in object storage photographs lie."""

    place = forms.CharField(max_length=400, label="Place", help_text="Such as s3://bucket/folder.")


class MetadataForm(Form):
    """A table of what is known of the images."""

    table = forms.FileField(
        label="Table",
        help_text="CSV or Excel (.xlsx), one row per photograph: its file name with the folders, the person in it "
        "(subject), what they agreed to (consent: grading, training, sharing, all or none) and when (consent_date), "
        "and whatever else is known. You see what would be written before it is.",
    )


class SeenForm(Form):
    """What a person has seen of a table, and wants written; or what they answered, and want to see again."""

    ticket = forms.CharField(max_length=500)
    seen = forms.CharField(max_length=CODE_DIGITS, required=False)
    sent_again = forms.BooleanField(required=False)

    def answers(self) -> Answers:
        """Return what was answered: each code that was asked about stands beside whom it means."""
        asked, meant = (self.data.getlist(name) for name in ("asked", "meant"))  # type: ignore[attr-defined]
        people = {code: who for code, who in zip(asked, meant, strict=False) if who}
        return Answers(people, sent_again=self.data.get("sent_again") == "on")

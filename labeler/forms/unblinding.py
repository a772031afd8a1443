"""Why somebody unblinds."""

from django import forms

from labeler.forms.fields import Form


class ReasonForm(Form):
    """Why somebody must know which images are golden."""

    reason = forms.CharField(
        max_length=300,
        min_length=5,
        label="Why do you need to know?",
        help_text="A sentence for the audit log, such as: the study is over and we analyse it.",
    )

"""Forms of oversight: the audit log's filters, and the shortest look."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from labeler.models import Study, User
from labeler.models.studies import LONGEST_SHORTEST_LOOK
from labeler.platform.form_fields import Form, field_of
from labeler.record import audit
from labeler.record.audit import Wanted


class AuditForm(Form):
    """Whose acts, which, and when, to show."""

    person = forms.ModelChoiceField(queryset=User.objects.none(), required=False, label="Person", empty_label="All")
    action = forms.ChoiceField(required=False, label="What")
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, study: Study | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "person", forms.ModelChoiceField).queryset = audit.people(study)
        acts = [(act, act) for act in audit.actions(study)]
        everything = [("", "Everything but looking")] if (audit.SAW, audit.SAW) in acts else [("", "Everything")]
        field_of(self, "action", forms.ChoiceField).choices = [*everything, *acts]

    def wanted(self) -> Wanted:
        """Return what was asked for; a day counts from its beginning to its end, here."""
        person, action, since, until = (self.cleaned_data[name] for name in ("person", "action", "since", "until"))
        return Wanted(person, action, _begin(since), _begin(until + timedelta(days=1)) if until else None)


class WhichLogForm(Form):
    """The log of which study, or of the site."""

    study = forms.ModelChoiceField(
        queryset=Study.objects.none(), required=False, to_field_name="slug", label="Of", empty_label="The whole site"
    )

    def __init__(self, *args: Any, studies: QuerySet[Study], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "study", forms.ModelChoiceField).queryset = studies.order_by("title")


class ShortestLookForm(Form):
    """How long an image must be seen before a label is taken."""

    shortest_look_ms = forms.IntegerField(
        min_value=0,
        max_value=LONGEST_SHORTEST_LOOK,
        label="Shortest look, in milliseconds",
        help_text="The grading page takes no answer before. Nobody sees and judges an image in less than 250.",
    )


def _begin(day: Any) -> datetime | None:
    return timezone.make_aware(datetime.combine(day, time.min)) if day else None

"""What is asked of the audit log."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from labeler.forms.fields import Form, field_of
from labeler.models import AuditEvent, User


class AuditForm(Form):
    """Whose acts, and which, to show."""

    person = forms.ModelChoiceField(queryset=User.objects.none(), required=False, empty_label="Everybody")
    action = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, events: QuerySet[AuditEvent], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        events = events.order_by()
        people = User.objects.filter(pk__in=events.values("user")).order_by("username")
        field_of(self, "person", forms.ModelChoiceField).queryset = people
        actions = sorted(events.values_list("action", flat=True).distinct())
        field_of(self, "action", forms.ChoiceField).choices = [("", "Everything"), *((act, act) for act in actions)]

"""Forms for app tokens, for stored selfies, and for the reason of unblinding."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from labeler.platform.form_fields import Form
from scoring.models import Scope

LONGEST_VALIDITY = 3650  # days; a token for longer is one that never ends
MOST_A_MINUTE = 100_000


class TokenForm(Form):
    """A token to make: for which app, for what, how often, until when."""

    name = forms.CharField(max_length=100, label="App", help_text="Whose token it is. One token an app.")
    per_minute = forms.IntegerField(
        min_value=1, max_value=MOST_A_MINUTE, initial=60, label="Photographs a minute", help_text="At most."
    )
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_VALIDITY,
        label="Days",
        help_text="Until it ends. Empty: until revoked.",
    )
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=[Scope.SCORE], label="It may", widget=forms.CheckboxSelectMultiple
    )

    def wanted(self) -> dict[str, Any]:
        days = self.cleaned_data["days"]
        return {
            "name": self.cleaned_data["name"],
            "per_minute": self.cleaned_data["per_minute"],
            "scopes": self.cleaned_data["scopes"],
            "expires_at": timezone.now() + timedelta(days=days) if days else None,
        }


class EraseSelfiesForm(Form):
    """Which of an app's stored selfies to erase, and why."""

    selfie = forms.UUIDField(required=False, label="Which", help_text="The number that the app has.")
    reason = forms.CharField(min_length=5, max_length=300, label="Why", help_text="Kept in the audit log.")
    everything = forms.BooleanField(required=False, label="All that this app stores here")

    def clean(self) -> dict[str, Any]:
        if bool(self.cleaned_data.get("selfie")) == bool(self.cleaned_data.get("everything")):
            self.add_error(None, "Give one number, or say that all are meant.")
        return self.cleaned_data


class ReasonForm(Form):
    """The reason why a person must know which images are golden."""

    reason = forms.CharField(
        max_length=300,
        min_length=5,
        label="Why do you need to know?",
        help_text="A sentence for the audit log, such as: the study is over and we analyse it.",
    )


class AcceptForm(Form):
    """Acceptance by a person who oversees a study and is to read it; with a reason where they saw readers' grades."""

    reason = forms.CharField(
        max_length=300,
        min_length=5,
        label="Why do you read it all the same?",
        help_text="The study's other admins and its report say that you saw readers' grades before.",
    )

    def __init__(self, *args: Any, has_looked: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_looked:
            del self.fields["reason"]

"""What all forms share."""

from django import forms
from django.test import Client
from django.urls import reverse

from labeler.models import Study
from labeler.platform.form_fields import Form


def of_the_site(kind: type[forms.Form]) -> list[type[forms.Form]]:
    """Return every form of ours that anything has imported; the URLs import all."""
    reverse("home")
    found = [kind for kind in kind.__subclasses__() if kind.__module__.startswith(("labeler.", "training."))]
    return found + [inner for one in found for inner in of_the_site(one)]


def test_every_form_is_made_of_the_one_whose_labels_have_no_colon() -> None:
    ours = set(of_the_site(forms.Form))
    assert len(ours) > 20
    assert [form.__name__ for form in ours if not issubclass(form, Form)] == []


def test_no_filter_has_a_colon_after_its_label(as_olga: Client, study: Study) -> None:
    for page in ("gallery", "audit_log", "drops", "duplicates"):
        assert ":</label>" not in as_olga.get(reverse(page, args=["acne"])).content.decode()

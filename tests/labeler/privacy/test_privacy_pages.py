"""Consent, erasure, certificate and retention in the browser of who runs the study."""

import io
import json
import re
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeler import tasks
from labeler.accounts.sessions import SignIn
from labeler.images import consents
from labeler.models import AuditEvent, Erasure, Image, Study, User
from labeler.person_codes import pseudonyms
from labeler.privacy import erasing
from scoring.models import Regressor, Scope, StoredSelfie
from scoring.service import stored_selfies, tokens
from tests import builders
from tests.labeler.accounts.test_unblinding import unblind
from tests.labeler.privacy.test_erasing import REASON, SUBJECT, ask, blob, do, graded, of_her
from tests.labeler.record.test_ledger import seal

__all__ = ["graded"]  # a fixture

PRIVACY = "/studies/acne/privacy/"


def page_of(image: Image, page: str) -> str:
    return reverse(page, args=["acne", image.pk])


def test_persons_and_what_they_agree_to_are_listed(as_olga: Client, graded: Study) -> None:
    page = as_olga.get(PRIVACY).content.decode()
    assert SUBJECT in page
    assert page.count('class="scope"') == 2
    assert SUBJECT in as_olga.get(PRIVACY, {"name": "Grace"}).content.decode()
    assert SUBJECT not in as_olga.get(PRIVACY, {"name": "Heidi"}).content.decode()
    assert SUBJECT not in as_olga.get(PRIVACY, {"after": SUBJECT}).content.decode()


def test_an_admin_records_what_a_person_says(as_olga: Client, olga: User, graded: Study) -> None:
    image = of_her(graded)[0]
    data = {"scopes": ["grading"], "given_on": "2026-05-01", "source": "form 17"}
    assert as_olga.post(page_of(image, "person"), data).status_code == 302
    said = consents.history(graded, SUBJECT)[0]
    assert (said.scopes, said.source, said.recorded_by) == (["grading"], "form 17", olga)
    page = as_olga.get(page_of(image, "person")).content.decode()
    assert "form 17" in page
    assert re.findall(r'value="(\w+)"[^>]*checked', page) == ["grading"]  # sent as it stands, nothing changes
    assert as_olga.post(page_of(image, "person"), {"scopes": ["selling"]}).status_code == 422


def test_erasing_asks_for_a_reason_and_a_fresh_sign_in(as_olga: Client, graded: Study) -> None:
    image = of_her(graded)[0]
    address = page_of(image, "erase")
    assert b"Erase 2 images" in as_olga.get(address).content
    assert as_olga.post(address, {"reason": "why"}).status_code == 422
    session = as_olga.session
    old = SignIn.of(session)
    assert old is not None
    old.proven = 0
    old.keep(session)
    session.save()
    answer = as_olga.post(address, {"reason": REASON})
    assert answer["Location"].startswith("/accounts/again/")
    assert not Erasure.objects.exists()


def test_an_erasure_ends_in_a_certificate_that_the_ledger_has(as_olga: Client, olga: User, graded: Study) -> None:
    image = of_her(graded)[0]
    answer = as_olga.post(page_of(image, "erase"), {"reason": REASON})
    erasure = Erasure.objects.get()
    assert answer["Location"] == reverse("erasure", args=["acne", erasure.pk])
    assert "waits for a worker" in as_olga.get(answer["Location"]).content.decode()
    assert as_olga.get(f"{answer['Location']}certificate.json").json() == {}
    tasks.erase(erasure.pk)
    tasks.erase(erasure.pk)  # again does nothing
    seal()
    page = as_olga.get(answer["Location"]).content.decode()
    assert "Certificate of erasure" in page
    assert SUBJECT not in page
    certificate = as_olga.get(f"{answer['Location']}certificate.json").json()
    assert certificate["requested_by"] == "olga"
    assert certificate["ledger"]["digest"] in page
    assert certificate["totals"]["files"] == 9
    act = AuditEvent.objects.get(action=erasing.ACTION)
    assert (act.user, act.pk) == (olga, certificate["ledger"]["act"])
    assert as_olga.get(page_of(image, "person"))["Location"] == answer["Location"]
    assert as_olga.get(page_of(image, "erase"))["Location"] == answer["Location"]
    assert str(erasure.pk) in as_olga.get(PRIVACY).content.decode()


def test_an_erasure_that_failed_says_why_and_goes_on(as_olga: Client, graded: Study) -> None:
    erasure = ask(graded)
    Erasure.objects.update(state="failed", error="The disk is gone.")
    address = reverse("erasure", args=["acne", erasure.pk])
    assert b"The disk is gone." in as_olga.get(address).content
    as_olga.post(reverse("retry_erasure", args=["acne", erasure.pk]))
    tasks.erase(erasure.pk)
    assert b"Certificate of erasure" in as_olga.get(address).content


def test_all_that_is_kept_of_a_person_is_theirs(as_olga: Client, graded: Study) -> None:
    image = of_her(graded)[0]
    address = page_of(image, "training:export_person")
    assert as_olga.get(address)["Location"].startswith("/studies/acne/unblind/")
    unblind(as_olga, onwards=address)
    data = b"".join(as_olga.get(address).streaming_content)  # type: ignore[attr-defined]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        person = json.loads(archive.read("person.json"))
        photographs = {name: archive.read(name) for name in archive.namelist() if name.startswith("photographs/")}
    assert sorted(photographs.values()) == sorted(blob(one.original) for one in of_her(graded))
    assert [one["scopes"] for one in person["consents"]] == [["grading", "training"]]
    first = person["photographs"][0]
    assert first["metadata"] == {"eyes": "grey"}
    readers = {label["reader"] for one in person["photographs"] for label in one["said_by_dermatologists"]}
    assert readers == {"R01", "R02"}
    assert not any(name in json.dumps(person) for name in ("ana", "ben", "olga"))
    event = AuditEvent.objects.get(action="exported a person")
    assert event.detail == pseudonyms.of_subject(graded, SUBJECT)


def test_the_policy_is_kept_and_warned_of(as_olga: Client, graded: Study) -> None:
    soon = timezone.localdate() + timedelta(days=9)
    as_olga.post(f"{PRIVACY}policy/", {"needs_consent": "on", "erase_on": soon.isoformat(), "months": "6"})
    graded.refresh_from_db()
    assert (graded.needs_consent, graded.erase_on, graded.erase_months_after_closing) == (True, soon, 6)
    for page in (PRIVACY, "/studies/acne/"):
        assert b"of this study are erased on" in as_olga.get(page).content
    assert as_olga.post(f"{PRIVACY}policy/", {"months": "-1"}).status_code == 422


def test_a_regressor_that_learned_from_the_erased_is_on_the_studys_page(as_olga: Client, graded: Study) -> None:
    Regressor.objects.create(study="acne", recipe={}, artefact="x", is_active=True, learned_from_erased=1)
    assert b"learned from 1 image that was erased since" in as_olga.get("/studies/acne/").content


def test_the_page_of_the_study_counts_what_is_erased(as_olga: Client, graded: Study) -> None:
    do(ask(graded))
    assert b"Erased; what was said stays" in as_olga.get("/studies/acne/").content


@pytest.fixture
def selfies(study: Study) -> list[StoredSelfie]:
    token, _ = tokens.make(name="Phone", study="acne", made_by=None, scopes=tuple(Scope))
    answer: dict[str, Any] = {}
    return [stored_selfies.store(token=token, data=b"a face", consent="Keep it.", answer=answer) for _ in range(3)]


def test_an_admin_erases_what_an_app_stored(as_olga: Client, selfies: list[StoredSelfie]) -> None:
    first, second, _ = selfies
    address = reverse("stored_selfies", args=["acne", first.token_id])
    assert "3 selfies stored" in as_olga.get("/studies/acne/apps/").content.decode()
    assert as_olga.post(address, {"selfie": first.public_id, "reason": "why"}).status_code == 422
    as_olga.post(address, {"selfie": str(first.public_id), "reason": REASON})
    assert StoredSelfie.objects.count() == 2
    assert blob(second.file) == b"a face"
    assert as_olga.post(address, {"reason": REASON}).status_code == 422  # which ones is to be said
    as_olga.post(address, {"everything": "on", "reason": REASON})
    assert not StoredSelfie.objects.exists()
    with pytest.raises(FileNotFoundError):
        blob(second.file)
    details = AuditEvent.objects.filter(action="erased stored selfies").order_by("pk").values_list("detail", flat=True)
    assert list(details) == ["1 of Phone", "2 of Phone"]


def test_who_reads_the_study_erases_nobody(as_ana: Client, ana: User, study: Study) -> None:
    study.admins.add(ana)
    image = study.images.earliest("pk")
    for page in ("person", "erase"):
        assert as_ana.get(page_of(image, page)).status_code == 403
    assert as_ana.get(PRIVACY).status_code == 200


def test_a_certificate_does_not_tell_the_blinded_how_many_graded_an_image(as_olga: Client, graded: Study) -> None:
    erasure = do(ask(graded))
    pages = [reverse(name, args=["acne", erasure.pk]) for name in ("certificate", "erasure")]

    def counts() -> tuple[set[str], bool]:
        certificate, page = (as_olga.get(address) for address in pages)
        return set(certificate.json()["totals"]), b"Notes deleted" in page.content

    public = {"images", "files", "bytes", "by_kind"}
    assert counts() == (public, False)
    unblind(as_olga)
    assert counts() == (public | {"labels_kept", "notes_erased"}, True)


def test_an_auditor_sees_the_certificate_and_asks_for_nothing(graded: Study) -> None:
    erasure = do(ask(graded))
    auditor = builders.make_user("audi")
    User.objects.filter(pk=auditor.pk).update(roles=["auditor"])
    auditor.refresh_from_db()
    client = builders.sign_in(Client(), auditor)
    assert b"Certificate of erasure" in client.get(reverse("erasure", args=["acne", erasure.pk])).content
    assert client.post(reverse("retry_erasure", args=["acne", erasure.pk])).status_code == 404

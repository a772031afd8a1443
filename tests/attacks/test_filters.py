"""Names of fields that a request brings: to look into what is not shown, and to set what is not asked for."""

import pytest
from django.test import Client

from labeler.models import Label, Reader, Role, Study, User
from labeler.studies import studies
from tests import builders

LOOKUPS = [
    "study__seed__gte",
    "image__study__secret",
    "readers__user__password__startswith",
    "user__password__startswith",
    "assignments__image__is_golden",
    "is_golden",
    "measurement__image__study__admins__password__regex",
]
PAGES = ["gallery", "log", "prescreen", "prescreen/images", "duplicates", "subjects", "disputed", "images", "readers"]


@pytest.mark.parametrize("page", PAGES)
def test_a_filter_that_is_not_offered_changes_nothing(as_olga: Client, study: Study, page: str) -> None:
    def shown(query: dict[str, str]) -> str:
        answer = as_olga.get(f"/studies/acne/{page}/", query)
        return answer.content.decode().replace(str(answer.context["csrf_token"]), "") if answer.context else ""

    plain = [len(shown({})), len(shown({}))]
    for lookup in LOOKUPS:
        for value in ("0", "1", "pbkdf2", ".*"):
            assert len(shown({lookup: value})) in plain, f"{lookup}={value} changes {page}"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age__gte", "1"),
        ("study__seed", "2019"),
        ("age') OR 1=1 --", "1"),
        ("age", "nan"),
        ("age", "-inf"),
        ("age", "1e999"),
        ("age", "' OR ''='"),
    ],
)
def test_a_column_of_metadata_is_a_name_and_no_lookup(as_olga: Client, study: Study, column: str, value: str) -> None:
    image = study.images.earliest("pk")
    image.metadata = {"age": 31, "age') OR 1=1 --": "2", "age__gte": "2", "study__seed": "2"}
    image.save(update_fields=["metadata"])
    answer = as_olga.get("/studies/acne/gallery/", {"column": column, "value": value})
    assert answer.status_code == 200
    assert f"/studies/acne/images/{image.pk}/" not in answer.content.decode()


def test_a_form_takes_what_it_asks_for_and_nothing_else(as_olga: Client, olga: User) -> None:
    asked = {"title": "New", "slug": "new-one", "seed": "7", "is_simulated": "on", "closed_at": "2020-01-01", "id": "1"}
    User.objects.filter(pk=olga.pk).update(roles=[Role.ADMIN])
    assert as_olga.post("/studies/new/", asked).status_code == 302
    made = Study.objects.get(slug="new-one")
    assert (made.seed, made.is_simulated, made.closed_at) != (7, True, None)
    assert not made.is_simulated
    assert made.seed != 7


def test_nobody_makes_themself_more_than_they_are(as_ana: Client, ana: User, reader: Reader) -> None:
    ana.set_password("correct horse battery staple")
    ana.save(update_fields=["password"])
    builders.sign_in(as_ana, ana)
    more = {"is_superuser": "on", "is_staff": "on", "roles": "admin", "user": "1", "username": "root"}
    asked = {"oldpassword": "correct horse battery staple", "password1": "another horse battery", "password2": ""}
    assert as_ana.post("/accounts/password/", asked | {"password2": asked["password1"]} | more).status_code == 302
    ana.refresh_from_db()
    assert (ana.username, ana.is_superuser, ana.is_staff, ana.roles) == ("ana", False, False, None)


def test_a_label_is_its_readers_own_whatever_is_sent(as_ana: Client, study: Study, reader: Reader, ben: User) -> None:
    page = as_ana.get("/read/acne/queue/").json()
    card = page["upcoming"][0]
    more = {"reader": str(builders.reader_of(ben, study).pk), "assignment": "1", "labeled_at": "2001-01-01", "id": "1"}
    sent = {"submission": "11111111-2222-4333-8444-555555555555", "version": card["version"], "grade": "2"}
    as_ana.post(card["label"], sent | more | {"is_undo": "on"})
    label = Label.objects.get()
    assert label.assignment.reader == reader
    assert label.labeled_at.year > 2020
    assert not label.is_undo


@pytest.mark.parametrize("name", ["Olga", "OLGA", "acne/R01", "<b>", "a b", "olga\u200b", "admin\n"])
def test_a_name_that_looks_like_anothers_is_nobodys(olga: User, study: Study, name: str) -> None:
    with pytest.raises(studies.StudyError, match="account"):
        studies.create_account(username=name)

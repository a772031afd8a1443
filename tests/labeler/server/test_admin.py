"""Django's admin: a superuser reads it, changes nothing of what was graded, and learns nothing of what is golden."""

import re
from html import unescape
from uuid import uuid4

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeler.admin import AuditedAdmin
from labeler.grading import label_store
from labeler.models import (
    Assignment,
    AuditEvent,
    Dealing,
    GradeLevel,
    Image,
    Label,
    Reader,
    Study,
    User,
)
from labeler.record import audit
from tests import builders

SHOWN_ONLY = (Assignment, AuditEvent, Dealing, Image, Label, Reader)
SECRET = {"is_golden", "is_repeat", "is_chosen", "seed", "secret", "plan", "withdrawn_in"}


@pytest.fixture
def root(study: Study) -> User:
    """Return a superuser of a study with one row of everything."""
    assignment = study.readers.get(code="R01").assignments.earliest("position")
    label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=4)
    Dealing.objects.create(study=study, kind=Dealing.Kind.FIRST, plan={"golden": 3})
    audit.record(study, None, "dealt the study")
    return User.objects.create_superuser(username="root")


@pytest.fixture
def as_root(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def address(model: type, action: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{action}", args=args)  # type: ignore[attr-defined]


def in_admin() -> list[type]:
    return [model for model in admin.site._registry if model._meta.app_label == "labeler"]


@pytest.mark.parametrize("model", in_admin())
def test_every_list_opens_and_can_be_searched(as_root: Client, model: type) -> None:
    assert as_root.get(address(model, "changelist")).status_code == 200
    assert as_root.get(address(model, "changelist"), {"q": "R01"}).status_code == 200


@pytest.mark.parametrize("model", in_admin())
def test_every_row_opens(as_root: Client, model: type) -> None:
    row = model._default_manager.first()  # type: ignore[attr-defined]
    if row is not None:
        assert as_root.get(address(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", SHOWN_ONLY)
def test_what_was_graded_and_done_is_only_shown(as_root: Client, model: type) -> None:
    row = model._default_manager.first()  # type: ignore[attr-defined]
    assert as_root.get(address(model, "add")).status_code == 403
    assert as_root.post(address(model, "change", row.pk), {"grade": 1}).status_code == 403
    assert as_root.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert b"delete_selected" not in as_root.get(address(model, "changelist")).content


@pytest.mark.parametrize("model", in_admin())
def test_nothing_tells_what_is_golden(model: type) -> None:
    shown = admin.site._registry[model]
    columns = {str(column) for column in (*shown.list_display, *shown.list_filter, *(shown.fields or ()))}
    assert not {part for column in columns for part in column.split("__")} & SECRET
    if not shown.fields and model is not User:
        assert SECRET & {field.name for field in model._meta.get_fields()} <= set(shown.exclude or ())  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", [Image, Assignment, Label, Dealing, AuditEvent])
def test_who_reads_a_study_finds_none_of_its_rows(as_root: Client, root: User, study: Study, model: type) -> None:
    row = model._default_manager.first()  # type: ignore[attr-defined]
    other = builders.make_study("other", images=1)
    study.readers.create(user=root, code="R03", accepted_at=timezone.now())
    assert as_root.get(address(model, "change", row.pk)).status_code == 302  # "doesn't exist", back to the start
    assert str(row).encode() not in as_root.get(address(model, "changelist")).content
    assert as_root.get(address(Image, "change", other.images.get().pk)).status_code == 200


def test_a_new_admin_of_a_study_is_in_the_log(as_root: Client, root: User, study: Study, ben: User, olga: User) -> None:
    levels = list(study.grade_levels.all())
    form = {
        "slug": study.slug,
        "title": study.title,
        "admins": [ben.pk],
        "grade_levels-TOTAL_FORMS": len(levels),
        "grade_levels-INITIAL_FORMS": len(levels),
    }
    for n, level in enumerate(levels):
        fields = {"id": level.pk, "study": study.pk, "value": level.value, "name": level.name}
        fields["criterion"] = level.criterion
        form |= {f"grade_levels-{n}-{name}": value for name, value in fields.items()}
    assert as_root.post(address(Study, "change", study.pk), form).status_code == 302
    events = AuditEvent.objects.filter(user=root).order_by("pk").values_list("action", "detail")
    assert list(events) == [
        ("made an admin", "ben"),
        ("no longer an admin", "olga"),
        ("study changed", f"{study}: Changed Admins."),
    ]
    study.refresh_from_db()
    assert study.seed == 2019


@pytest.mark.parametrize("model", [Assignment, Label])
def test_a_superuser_cannot_tell_golden_images_by_how_many_readers_they_have(
    as_root: Client, study: Study, model: type
) -> None:
    for reader in study.readers.all():
        label_store.record_label(
            assignment=reader.assignments.filter(version=0, image__is_golden=True)[0],
            version=0,
            submission=uuid4(),
            grade=2,
        )
    names = {image.source_name for image in study.images.all()}
    row = model._default_manager.last()  # type: ignore[attr-defined]
    pages = [as_root.get(address(model, "changelist")), as_root.get(address(model, "change", row.pk))]
    assert not [name for name in names for page in pages if name in page.content.decode()]
    asked = as_root.get(address(model, "changelist"), {"q": names.pop()})
    assert asked.context["cl"].result_count == 0


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (Image, "is_golden__exact"),
        (Image, "is_golden"),
        (Image, "fold__isnull"),
        (Assignment, "image"),
        (Assignment, "image__is_golden"),
        (Assignment, "is_repeat__exact"),
        (Label, "assignment__image"),
        (Label, "assignment__reader__study__seed__gte"),
        (Study, "seed__gte"),
        (Dealing, "plan__golden"),
    ],
)
def test_no_address_filters_by_what_is_not_shown(as_root: Client, model: type, asked: str) -> None:
    assert as_root.get(address(model, "changelist"), {asked: "1"}).status_code in {302, 400}


def test_a_grade_keeps_its_value_once_lists_are_dealt(as_root: Client, study: Study) -> None:
    before = list(study.grade_levels.values_list("value", "name"))
    form: dict[str, object] = {"slug": study.slug, "title": study.title, "admins": [study.admins.get().pk]}
    form |= {"grade_levels-TOTAL_FORMS": len(before) + 1, "grade_levels-INITIAL_FORMS": len(before)}
    for n, level in enumerate(study.grade_levels.all()):
        fields = {"id": level.pk, "study": study.pk, "value": level.value + 10, "name": f"{level.name}!"}
        form |= {f"grade_levels-{n}-{name}": value for name, value in fields.items()}
    form |= {f"grade_levels-{len(before)}-{name}": value for name, value in (("value", 9), ("name", "New"))}
    form["grade_levels-0-DELETE"] = "on"
    assert as_root.post(address(Study, "change", study.pk), form).status_code == 302
    after = list(study.grade_levels.values_list("value", "name"))
    assert after == [(value, f"{name}!") for value, name in before]


def test_only_superusers_come_in(as_olga: Client, study: Study) -> None:
    assert as_olga.get("/admin/").status_code == 302


def test_the_filters_beside_a_list_work(as_root: Client) -> None:
    for model in in_admin():
        page = as_root.get(address(model, "changelist")).content.decode()
        for query in set(re.findall(r'href="(\?[^"]+__[^"]+)"', page)):
            assert as_root.get(address(model, "changelist") + unescape(query)).status_code == 200, (model, query)


def fields_of(page: object) -> dict[str, object]:
    """Return what a browser would send of a form that was not touched."""
    form = page.context["adminform"].form  # type: ignore[attr-defined]
    values: dict[str, object] = {}
    for name in form.fields:
        value = form[name].value()
        if value not in (None, False):
            values[name] = [getattr(one, "pk", one) for one in value] if isinstance(value, list) else value
    for formset in page.context["inline_admin_formsets"]:  # type: ignore[attr-defined]
        for one in (formset.formset.management_form, *formset.formset.initial_forms):
            values |= {one.add_prefix(name): one[name].value() for name in one.fields if one[name].value() is not None}
    return values


def acts(by: User) -> list[tuple[str, str]]:
    return list(AuditEvent.objects.filter(user=by).order_by("pk").values_list("action", "detail"))


@pytest.mark.parametrize("change", [{"is_superuser": "on", "is_staff": "on"}, {"is_active": ""}, {"email": "b@b.org"}])
def test_what_is_changed_of_an_account_is_in_the_log(
    as_root: Client, root: User, ben: User, change: dict[str, str]
) -> None:
    where = address(User, "change", ben.pk)
    sent = {name: value for name, value in (fields_of(as_root.get(where)) | change).items() if value}
    assert as_root.post(where, sent).status_code == 302
    ((action, detail),) = acts(root)
    assert action == "user changed"
    assert detail.startswith("ben: Changed ")


def test_a_new_account_and_a_new_password_are_in_the_log(as_root: Client, root: User, ben: User) -> None:
    secret = "a long enough one 4711"
    new = {"username": "dora", "usable_password": "true", "password1": secret, "password2": secret}
    assert as_root.post(address(User, "add"), new).status_code == 302
    password = {"usable_password": "true", "password1": secret, "password2": secret}
    assert as_root.post(reverse("admin:auth_user_password_change", args=[ben.pk]), password).status_code == 302
    assert acts(root) == [("user made", "dora: Added."), ("user changed", "ben: Changed password.")]


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (User, {"username": "another"}),
        (Study, {"slug": "another"}),
        (Study, {"is_simulated": "on"}),
        (Study, {"needs_consent": "on"}),
        (Study, {"erase_on": "2030-01-01"}),
        (Study, {"grade_levels-0-value": "9"}),
    ],
)
def test_what_others_rest_on_is_only_shown(
    as_root: Client, study: Study, ben: User, model: type, change: dict[str, str]
) -> None:
    row = ben if model is User else study
    before = [list(one.objects.order_by("pk").values()) for one in (User, Study, GradeLevel)]
    where = address(model, "change", row.pk)
    as_root.post(where, fields_of(as_root.get(where)) | change)
    after = [list(one.objects.order_by("pk").values()) for one in (User, Study, GradeLevel)]
    for rows, now in zip(before, after, strict=True):
        assert [{**one, "last_login": None} for one in rows] == [{**one, "last_login": None} for one in now]


def test_every_table_is_read_only_or_in_the_log() -> None:
    assert [model for model, shown in admin.site._registry.items() if not isinstance(shown, AuditedAdmin)] == []


@pytest.mark.parametrize("model", list(admin.site._registry))
def test_no_row_is_deleted_there(as_root: Client, model: type) -> None:
    assert b"delete_selected" not in as_root.get(address(model, "changelist")).content

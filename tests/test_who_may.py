"""Who gets what: every address of the site, found in the URL resolver, asked by each of a fixed cast.

A new address fails `test_every_address_has_a_row` until it has a line in ROWS.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.resolvers import RoutePattern

from labeler.grading import queries
from labeler.models import AtlasPicture, Erasure, Intake, Role, Study, StudyJob, User
from scoring.models import ApiToken, BulkJob, Scope, StoredSelfie
from scoring.service import tokens
from tests import builders
from training.models import TrainingRun

# The cast. `ana` and `ben` read the study, `olga` runs it; `dora` reads and `otto` runs another; `cleo` is a stranger,
# `audi` an auditor, `root` a superuser. An app brings the study's token, and nobody nothing.
# `rhea` runs and reads the study; `aude` is an auditor who reads it.
PEOPLE = ("cleo", "ana", "ben", "dora", "otto", "audi", "olga", "root", "rhea", "aude")
CAST = ("nobody", "app", *PEOPLE)
PASSWORD = "correct horse battery staple"

ANYBODY = frozenset(CAST)
SIGNED_IN = frozenset(PEOPLE)
OWN = frozenset({"ana"})  # what is of one reader alone
READERS = frozenset({"ana", "ben", "rhea", "aude"})
RUN_IT = frozenset({"olga", "root", "rhea"})  # nothing there follows from what readers said
OVERSEE = frozenset({"olga", "root"})  # what readers said, or what is golden: refused to those who read it themselves
SEE_ITS_LOG = OVERSEE | {"audi"}
REFUSED = frozenset({"rhea", "aude"})
SEE_ATLAS = RUN_IT | READERS
MAKE_STUDIES = frozenset({"olga", "otto", "root", "rhea"})
SEE_SITE_LOG = frozenset({"audi", "root", "aude"})
OPERATE = frozenset({"root"})
APP = frozenset({"app"})


@dataclass(frozen=True)
class Row:
    """Who is let in, by which methods. `but` is what those get where the thing itself is not there in this test."""

    methods: str
    who: frozenset[str]
    but: int = 0


def row(methods: str, who: frozenset[str], *, but: int = 0) -> Row:
    return Row(methods, who, but)


ROWS = {
    "home": row("GET", SIGNED_IN),
    "grade": row("GET", READERS),
    "queue": row("GET", READERS),
    "look_back": row("GET", READERS),
    "image": row("GET", OWN),
    "label": row("POST", OWN),
    "undo": row("POST", OWN),
    "atlas_picture": row("GET", SEE_ATLAS),
    "new_study": row("GET POST", MAKE_STUDIES),
    "study": row("GET", RUN_IT),
    "golden": row("GET", OVERSEE),
    "draw_golden": row("POST", OVERSEE),
    "score_provisionally": row("POST", OVERSEE),
    "choose_golden": row("POST", OVERSEE),
    "opening": row("GET", OVERSEE, but=404),
    "judging_rule": row("GET POST", OVERSEE),
    "close": row("GET POST", RUN_IT),
    "study_atlas": row("GET POST", RUN_IT),
    "remove_from_atlas": row("POST", RUN_IT),
    "intake": row("GET POST", RUN_IT),
    "begin_upload": row("POST", RUN_IT),
    "import_place": row("POST", RUN_IT),
    "join_metadata": row("POST", RUN_IT),
    "intake_progress": row("GET", RUN_IT),
    "intake_now": row("GET", RUN_IT),
    "import_again": row("POST", RUN_IT),
    "upload": row("GET POST", RUN_IT),
    "finish_upload": row("POST", RUN_IT),
    "readers": row("GET POST", RUN_IT),
    "set_capacity": row("POST", RUN_IT),
    "leave": row("GET POST", RUN_IT),
    "dealing": row("GET", RUN_IT),
    "deal": row("POST", RUN_IT),
    "deal_later_images": row("POST", RUN_IT),
    "take_back": row("POST", RUN_IT),
    "accept_reading": row("GET POST", READERS),
    "unblind": row("GET POST", OVERSEE),
    "oversight": row("GET POST", OVERSEE),
    "oversight_now": row("GET", OVERSEE),
    "disputed": row("GET", OVERSEE),
    "unstable": row("GET", OVERSEE),
    "gallery": row("GET", OVERSEE),
    "study_image": row("GET", OVERSEE),
    "study_picture": row("GET", OVERSEE),
    "decide_image": row("POST", OVERSEE),
    "correct_subject": row("POST", OVERSEE),
    "prescreen": row("GET POST", RUN_IT),
    "prescreen_counts": row("GET", RUN_IT),
    "drops": row("GET POST", OVERSEE),
    "measure_images": row("POST", RUN_IT),
    "study_job": row("GET", RUN_IT),
    "retry_study_job": row("POST", RUN_IT),
    "duplicates": row("GET", OVERSEE),
    "judge_duplicates": row("POST", OVERSEE),
    "keep_best": row("POST", OVERSEE),
    "search_duplicates": row("POST", OVERSEE),
    "subjects": row("GET", OVERSEE),
    "privacy": row("GET", RUN_IT),
    "set_policy": row("POST", RUN_IT),
    "person": row("GET POST", OVERSEE),
    "erase": row("GET POST", OVERSEE),
    "take_out": row("GET POST", OVERSEE),
    "turn_image": row("POST", OVERSEE),
    "erasure": row("GET", SEE_ITS_LOG),
    "certificate": row("GET", SEE_ITS_LOG),
    "retry_erasure": row("POST", RUN_IT),
    "audit_log": row("GET", SEE_ITS_LOG),
    "health": row("GET", OPERATE),
    "site_log": row("GET", SEE_SITE_LOG),
    "training:plan": row("GET", MAKE_STUDIES),
    "training:report": row("GET", SEE_ITS_LOG),
    "training:report_json": row("GET", SEE_ITS_LOG),
    "training:printed": row("GET", SEE_ITS_LOG),
    "training:reader": row("GET", SEE_ITS_LOG),
    "training:chart_csv": row("GET", SEE_ITS_LOG),
    "training:chart_svg": row("GET", SEE_ITS_LOG, but=404),  # nobody has graded here, so there is no picture
    "training:release": row("POST", OVERSEE),
    "training:own_report": row("GET", READERS, but=404),  # nothing before it is released
    "training:definitions": row("GET", SIGNED_IN),
    "training:retrain": row("POST", OVERSEE),
    "training:run": row("GET", OVERSEE),
    "training:run_state": row("GET", OVERSEE),
    "training:cancel": row("POST", OVERSEE),
    "training:again": row("POST", OVERSEE),
    "training:publish": row("POST", OVERSEE),
    "training:decide_reader": row("POST", OVERSEE),
    "training:leaderboard": row("GET", SEE_ITS_LOG),
    "training:leaderboard_json": row("GET", SEE_ITS_LOG),
    "training:roll_back": row("POST", OVERSEE),
    "training:set_night": row("POST", OVERSEE),
    "training:export": row("GET", OVERSEE),
    "training:export_person": row("GET", OVERSEE),
    "apps": row("GET POST", RUN_IT),
    "stored_selfies": row("GET POST", RUN_IT),
    "revoke_token": row("POST", RUN_IT),
    "api:score": row("POST", APP),
    "api:score_batch": row("POST", APP),
    "api:draw_overlay": row("POST", APP),
    "api:send_job": row("POST", APP),
    "api:job": row("GET DELETE", APP),
    "api:erase_job": row("GET DELETE", APP),
    "api:read_results": row("GET", APP),
    "api:erase_selfie": row("DELETE", APP),
    "api:openapi-json": row("GET", ANYBODY),
    "api:api-root": row("GET", ANYBODY, but=404),  # its name is for reversing; it answers nothing
    "api_documentation": row("GET", ANYBODY),
    "legacy:api-root": row("GET", ANYBODY, but=404),
    "legacy:score_url": row("GET", ANYBODY, but=404),  # it is switched off here
    "signed_in": row("GET", SIGNED_IN),
    "offline": row("GET", ANYBODY),
    "service_worker": row("GET", ANYBODY),
    "security_txt": row("GET", ANYBODY),
    "account_login": row("GET POST", ANYBODY),
    "account_logout": row("GET POST", ANYBODY),
    "sign_in_again": row("GET", SIGNED_IN),
    "account_reauthenticate": row("GET POST", SIGNED_IN),
    "account_inactive": row("GET", ANYBODY),
    "account_change_password": row("GET POST", SIGNED_IN),
    "open_link": row("GET", ANYBODY),  # a page that says that the link is no good
    "oidc_login": row("POST", ANYBODY, but=404),  # no provider is named here
    "oidc_callback": row("GET", ANYBODY, but=404),
    "socialaccount_login_cancelled": row("GET", ANYBODY),
    "mfa_login_webauthn": row("GET POST", ANYBODY),  # leads to the sign-in page, without a passkey
    "mfa_index": row("GET", SIGNED_IN),
    "mfa_authenticate": row("GET POST", ANYBODY),  # leads on who gave no password before
    "mfa_reauthenticate": row("GET POST", SIGNED_IN),
    "mfa_activate_totp": row("GET POST", SIGNED_IN),
    "mfa_deactivate_totp": row("GET POST", SIGNED_IN, but=404),  # nobody has a second factor here
    "mfa_view_recovery_codes": row("GET", SIGNED_IN, but=404),  # nobody has a second factor here
    "mfa_generate_recovery_codes": row("GET POST", SIGNED_IN),
    "mfa_download_recovery_codes": row("GET", SIGNED_IN, but=404),  # nobody has a second factor here
    "mfa_list_webauthn": row("GET", SIGNED_IN),
    "mfa_add_webauthn": row("GET POST", SIGNED_IN),
    "mfa_reauthenticate_webauthn": row("GET POST", SIGNED_IN),
    "mfa_remove_webauthn": row("GET POST", SIGNED_IN, but=404),  # nobody has a key here
    "mfa_edit_webauthn": row("GET POST", SIGNED_IN, but=404),
}


@dataclass(frozen=True)
class Address:
    """A pattern of the resolver: its name, and the names of what stands in it."""

    name: str
    arguments: frozenset[str] = field(default=frozenset())


@cache
def addresses() -> dict[str, Address]:
    """Return every address outside of Django's admin, which has tests of its own below."""
    found = {address.name: address for address in _walk(get_resolver().url_patterns, "", frozenset())}
    return {name: address for name, address in found.items() if not name.startswith("admin")}


def _walk(patterns: list[Any], space: str, outer: frozenset[str]) -> Iterator[Address]:
    for pattern in patterns:
        assert isinstance(pattern.pattern, RoutePattern) or space.startswith("admin"), f"{pattern} is no plain route"
        arguments = outer | frozenset(getattr(pattern.pattern, "converters", {}))
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _walk(pattern.url_patterns, inner, arguments)
        else:
            assert isinstance(pattern, URLPattern)
            yield Address(f"{space}{pattern.name or pattern.pattern}", arguments)


def test_every_address_has_a_row() -> None:
    assert set(addresses()) == set(ROWS)


@dataclass
class World:
    """The study, its people, and what the addresses name."""

    clients: dict[str, Client]
    named: dict[str, dict[str, Any]]  # by address, or "" for all: argument -> value

    def reach(self, name: str) -> str:
        arguments = addresses()[name].arguments
        known = self.named[""] | self.named.get(name, {})
        return reverse(name, kwargs={argument: known[argument] for argument in arguments})


@dataclass
class Staged:
    """What a module's tests share of the world."""

    cookies: dict[str, str]  # the session of everybody who signs in
    token: str
    named: dict[str, dict[str, Any]]
    files: Path


@pytest.fixture(scope="module")
def staged(rows_of_module: None, tmp_path_factory: pytest.TempPathFactory) -> Staged:
    files = tmp_path_factory.mktemp("media")
    with override_settings(MEDIA_ROOT=files, PASSWORD_HASHERS=["tests.quick_passwords.Hasher"]):
        people = {name: builders.make_user(name, password=PASSWORD) for name in PEOPLE}
        User.objects.filter(username="root").update(is_superuser=True, is_staff=True)
        User.objects.filter(username="audi").update(roles=[Role.AUDITOR])
        User.objects.filter(username="aude").update(roles=[Role.AUDITOR, Role.READER])
        readers = [people[name] for name in ("ana", "ben", "rhea", "aude")]
        study = builders.make_study(readers=tuple(readers), images=12, golden_size=3)
        study.admins.add(people["olga"], people["rhea"])
        builders.make_study("other", readers=(people["dora"],), images=6, golden_size=2).admins.add(people["otto"])
        app, token = tokens.make(name="an app", study=study.slug, made_by=None, scopes=tuple(Scope))
        cookies = {user.username: _session(user) for user in User.objects.all()}
        return Staged(cookies, token, _things(study, people["ana"]) | _of_app(app), files)


def _session(user: User) -> str:
    return builders.sign_in(Client(), user).cookies[django_settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def world(db: None, staged: Staged, settings: Any) -> World:
    settings.SECURITY_CONTACT, settings.MEDIA_ROOT = "mailto:security@clinic.example", staged.files
    clients = {"nobody": Client(), "app": Client(headers={"Authorization": f"Bearer {staged.token}"})}
    for name, cookie in staged.cookies.items():
        clients[name] = Client()
        clients[name].cookies[settings.SESSION_COOKIE_NAME] = cookie
    return World(clients, staged.named)


def _things(study: Study, ana: User) -> dict[str, dict[str, Any]]:
    """Make one of everything that an address can name."""
    assignment = queries.next_assignment(builders.reader_of(ana, study))
    assert assignment is not None
    image = assignment.image
    picture = builders.make_jpeg(7)
    for name in (image.original, f"{image.rendition}-full", "examples/one"):
        default_storage.save(name, ContentFile(picture))
    level = study.grade_levels.all()[0]
    example = AtlasPicture.objects.create(level=level, file="examples/one")
    intake = Intake.objects.create(study=study, source=Intake.Source.UPLOAD, is_uploading=True)
    run = TrainingRun.objects.create(study=study)
    erasure = Erasure.objects.create(study=study, reason="They asked for it.")
    study_job = StudyJob.objects.create(study=study, kind=StudyJob.Kind.MEASURE)
    return {
        "": {
            "slug": study.slug,
            "public_id": assignment.public_id,
            "code": "R01",
            "pk": image.pk,
            "picture": example.pk,
            "user": ana.pk,
            "token": "no-token",
            "name": "errors",
        },
        **{name: {"pk": intake.pk} for name in ("intake_progress", "intake_now", "import_again")},
        **{name: {"pk": intake.pk} for name in ("upload", "finish_upload")},
        **{f"training:{name}": {"pk": run.pk} for name in ("run", "run_state", "cancel", "again", "publish")},
        **{name: {"pk": erasure.pk} for name in ("erasure", "certificate", "retry_erasure")},
        **{name: {"pk": study_job.pk} for name in ("study_job", "retry_study_job")},
    }


def _of_app(token: ApiToken) -> dict[str, dict[str, Any]]:
    """Make one of everything that belongs to an app."""
    job = BulkJob.objects.create(token=token)
    selfie = StoredSelfie.objects.create(token=token, file="selfies/one", consent="You may keep it.", answer={})
    jobs = ("api:job", "api:erase_job", "api:read_results")
    return {
        "revoke_token": {"pk": token.pk},
        "stored_selfies": {"pk": token.pk},
        "legacy:score_url": {"argument": "ImageURL=https://example.org/selfie.jpg"},
        "api:erase_selfie": {"public_id": selfie.public_id},
        **{name: {"public_id": job.public_id} for name in jobs},
    }


def ask(world: World, who: str, method: str, address: str) -> HttpResponse:
    """Ask as one of the cast, and take back what that changed."""
    with transaction.atomic():
        answer = getattr(world.clients[who], method.lower())(address)
        b"".join(answer)  # a file is closed at its end
        transaction.set_rollback(True)
    assert isinstance(answer, HttpResponse) or answer.streaming
    return answer  # type: ignore[no-any-return]


def is_shut(answer: HttpResponse, who: str) -> bool:
    """Whether the answer gives away nothing, not even that there is something: who is signed in gets 404."""
    if who in REFUSED and answer.status_code == 403:
        return True
    if who in PEOPLE:  # a reader is told of another's image what they are told of none at all
        return answer.status_code == 404 or (answer.status_code == 410 and who in READERS)
    return answer.status_code in {401, 404} or answer.headers.get("Location", "").startswith("/accounts/login/?next=")


@pytest.mark.parametrize("name", ROWS)
def test_everybody_gets_what_is_theirs(world: World, name: str) -> None:
    expected, address = ROWS[name], world.reach(name)
    for method in expected.methods.split():
        for who in CAST:
            answer = ask(world, who, method, address)
            if who not in expected.who:
                # Signed in to the site, one is still no app; the API says so in its own words.
                shut = answer.status_code == 401 if name.startswith("api:") else is_shut(answer, who)
                assert shut, f"{who} is let in by {method}: {answer.status_code}"
            elif expected.but:
                assert answer.status_code == expected.but, f"{who} got {answer.status_code} by {method}"
            else:
                is_let_in = not is_shut(answer, who) and answer.status_code not in {401, 403, 404, 405, 500}
                assert is_let_in, f"{who} is shut out by {method}: {answer.status_code}"
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(expected.methods.split()):
        for who in {"nobody", "cleo", "olga"} - expected.who:
            answer = ask(world, who, method, address)
            assert answer.status_code == 405 or is_shut(answer, who), f"{who} by {method}: {answer.status_code}"


ADMIN_PAGES = ["index", "labeler_user_changelist", "labeler_image_changelist", "labeler_auditevent_changelist"]


@pytest.mark.parametrize("page", ADMIN_PAGES)
@pytest.mark.parametrize("who", CAST)
def test_djangos_admin_is_for_superusers(world: World, who: str, page: str) -> None:
    answer = world.clients[who].get(reverse(f"admin:{page}"), follow=True)
    if who == "root":
        assert answer.status_code == 200
        assert answer.request["PATH_INFO"].startswith("/admin/")
    elif who in PEOPLE:
        assert answer.status_code == 404
    else:
        assert answer.request["PATH_INFO"] == "/accounts/login/"


def test_a_role_that_is_gone_closes_the_places_it_gave(world: World) -> None:
    User.objects.update(roles=[])
    for name, who in (("study", "olga"), ("study", "root"), ("audit_log", "audi"), ("image", "cleo")):
        assert world.clients[who].get(world.reach(name)).status_code == 404
    for name in ("grade", "image"):  # she knows of her place: test_reading_gate.py
        assert world.clients["ana"].get(world.reach(name)).status_code == 403

"""Nobody is shown a study's secret, what comes of it, or its seed: by no page, JSON, export, log or command."""

import base64
import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from labeler.dealing import changes, remaining_lists
from labeler.golden_set import commitments, golden_draw
from labeler.models import AuditEvent, Study
from labeler.platform import typed_json
from labeler.record import keyed_draws
from labeler.studies import closing
from tests import builders, test_who_may
from tests.test_who_may import CAST, ROWS, World
from training.fitting.provenance import Provenance
from training.models import TrainingRun
from training.reports.reader_numbers import Drifting
from training.runs.run_result import RunRecord

staged, world = test_who_may.staged, test_who_may.world
SEED = 1_987_654_321
ADMIN_PAGES = [
    *(f"labeler_{model}_changelist" for model in ("study", "dealing", "reader", "assignment", "auditevent")),
    *(f"labeler_{model}_change" for model in ("study", "dealing")),
]
COMMANDS = [
    ("audit_blinding", "acne", "--json", "--numbers=1", "--repeats-of-read=1"),
    ("reorder_lists", "acne"),
    ("take_back_dealing", "acne", "--reason", "A trial of it"),
    ("report", "acne", "--json"),
    ("verify_ledger", "acne"),
    ("check_health",),
]


def needles(study: Study) -> list[bytes]:
    """Return what must not be seen, as it could be written."""
    secret = bytes(study.secret)
    promised = commitments.of(study)
    assert promised is not None
    salt = json.loads(promised.opening)["salt"]
    keys = [secret, keyed_draws.dealing_key(secret), keyed_draws._keyed(secret, b"naming"), bytes.fromhex(salt)]
    written = [
        form
        for key in keys
        for form in (key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key).rstrip(b"="))
    ]
    written += [base64.urlsafe_b64encode(key).rstrip(b"=") for key in keys]
    return [*written, *(str(SEED + further).encode() for further in range(5)), f"{SEED:,}".encode()]


def shown(body: bytes) -> Iterator[bytes]:
    yield body
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            yield from (archive.read(name) for name in archive.namelist())


@pytest.fixture
def study(world: World) -> Study:
    """Return the study of everybody's world, with a run that remembers its seeds, and after a change."""
    Study.objects.update(seed=SEED)
    drift = Drifting(watched=3, alarms=0)
    seeds, libraries = tuple(range(SEED, SEED + 5)), {"numpy": "2"}
    made_with = Provenance(1, "ridge", "", SEED, seeds, libraries, "")
    record = RunRecord(**vars(made_with), seconds=(), artefact_sha256="", drift=drift, ms2019_snapshot="")
    TrainingRun.objects.update(record=typed_json.dump(record))
    study = Study.objects.get(slug="acne")
    remaining_lists.reorder(study=study, reason="Their order is to be seen")
    return study


def found(client: Client, address: str, method: str, hidden: list[bytes]) -> list[bytes]:
    with transaction.atomic():
        answer = getattr(client, method.lower())(address)
        body = b"".join(answer)
        headers = "\n".join(f"{name}: {value}" for name, value in answer.items()).encode()
        transaction.set_rollback(True)
    return [
        needle for part in (*shown(body), headers, str(answer.cookies).encode()) for needle in hidden if needle in part
    ]


@pytest.mark.parametrize("name", ROWS)
def test_no_address_shows_it_to_anybody(
    world: World, study: Study, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    hidden, address = needles(study), world.reach(name)
    caplog.set_level(logging.DEBUG)
    for method in ROWS[name].methods.split():
        for who in CAST:
            assert found(world.clients[who], address, method, hidden) == []
    assert [needle for needle in hidden if needle.decode("latin-1") in caplog.text] == []


@pytest.mark.parametrize("page", ADMIN_PAGES)
def test_djangos_admin_does_not_show_it(world: World, study: Study, page: str) -> None:
    latest = changes.latest(study)
    assert latest is not None
    row = {"labeler_study_change": [study.pk], "labeler_dealing_change": [latest.pk]}.get(page, [])
    assert found(world.clients["root"], reverse(f"admin:{page}", args=row), "GET", needles(study)) == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_command_says_it(
    world: World, study: Study, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    del world
    study.images.update(original="", rendition="")
    hidden, refused = needles(study), "\n"
    try:
        call_command(*command)
    except (CommandError, SystemExit) as error:
        refused = str(error)
    said = refused.join(capsys.readouterr())
    assert said
    assert [needle for needle in hidden if needle in said.encode()] == []


def test_neither_the_log_nor_the_words_for_a_row_say_it(study: Study) -> None:
    said = [str(value) for row in AuditEvent.objects.values_list() for value in row]
    latest, promised = changes.latest(study), commitments.of(study)
    assert latest is not None
    said += [str(study), repr(study), str(latest), repr(latest), json.dumps(latest.plan), str(promised), repr(promised)]
    assert [needle for needle in needles(study) if needle in "\n".join(said).encode()] == []


def test_closing_opens_the_dealing_key_and_no_other(world: World, study: Study) -> None:
    """Whoever has it can deal again, and finds neither the secret, nor codes, nor another study."""
    hidden = needles(study)
    closing.close(study=study, reason="All graded")
    world.clients["olga"].post(world.reach("unblind"), {"reason": "The study is over."})
    opened = world.clients["olga"].get(world.reach("opening")).content
    promised = commitments.of(study)
    assert promised is not None
    assert hashlib.sha256(opened).hexdigest() == promised.digest
    key = bytes.fromhex(json.loads(opened)["dealing_key"])
    assert key == keyed_draws.dealing_key(bytes(study.secret))
    salt = json.loads(opened)["salt"].encode()
    assert [needle for needle in hidden if needle in opened] == [key.hex().encode(), salt]


def test_with_the_opened_key_everybody_draws_again(db: None) -> None:
    study = builders.make_study("drawn", images=40)
    golden_draw.draw(study=study, size=10)
    promised = commitments.of(study)
    assert promised is not None
    opened = json.loads(promised.opening)
    key = bytes.fromhex(opened["dealing_key"])
    hashes = sorted(study.images.values_list("content_hash", flat=True))
    drawn = keyed_draws.by_key(key, "golden").permutation(len(hashes))[:10]
    assert sorted(hashes[n] for n in drawn) == opened["golden_images_sha256"]

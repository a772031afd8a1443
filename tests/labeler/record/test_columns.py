# ruff: noqa: S608  statements of an outsider
"""Every column that holds a fact is sealed, or follows from what is: changed past the product, it is found for ever."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction
from django.db.models import Field, Model

from labeler.exchange import tables
from labeler.golden_set import judging_rule
from labeler.images import consents, subjects
from labeler.models import AuditEvent, Erasure, Image, Measurement, Study, User
from labeler.privacy import erasing, taking_out
from labeler.record import audit, facts
from scoring.platform import jobs
from tests import builders
from tests.labeler.record.test_ledger import every_right, findings, seal
from tests.scoring.builders import publish_one
from tests.training import builders as training_builders
from training.export import check_ledger, study_zip
from training.models import LearnedFrom, TrainingImage, TrainingRun
from training.publication import reader_decisions

pytestmark = pytest.mark.django_db
SUBJECT = "person 1"

# Model -> columns that a fact, a label, an act or a block is made of, or that are counted anew from those.
SEALED = {
    "labeler.Study": "slug title secret seed is_simulated created_at golden_drawn_at dealt_at closed_at "
    "reports_released_at needs_consent shortest_look_ms ledger_salt",
    "labeler.GradeLevel": "study_id value name criterion",
    "labeler.Reader": "study_id user_id code is_simulated done skipped capacity accepted_at left_at",
    "labeler.Commitment": "study_id opening digest",
    "labeler.Dealing": "study_id kind reader_id plan reversed_at",
    "labeler.Image": "study_id content_hash original rendition rendition_sha256 turn width height subject metadata "
    "cluster failed override is_kept is_golden may_be_graded may_be_trained_on may_be_shared is_erased is_taken_out "
    "imported_at",
    "labeler.Consent": "study_id subject scopes given_on source",
    "labeler.Measurement": "image_id exposure contrast sharpness short_side faces face_size fingerprint",
    "labeler.Erasure": "study_id subject reason certificate",
    "labeler.ErasedImage": "erasure_id image_id",
    "labeler.Assignment": "reader_id image_id position is_repeat dealing_id withdrawn_in_id version is_done",
    "labeler.Label": "id submission assignment_id version grade not_gradable note is_undo visible_ms zoom "
    "viewport_width viewport_height pixel_ratio input_kind labeled_at",
    "labeler.AuditEvent": "id study_id user_id action detail reason origin at salt",
    "labeler.LedgerBlock": "study_id number previous rows rows_sha256 labels_until events_until heads begins_changes "
    "sealed_at digest",
    "labeler.JudgingRule": "study_id against margin active_margin after_reading reason",
    "training.ReaderDecision": "reader_id counts kinds reason",
    "training.TrainingRun": "state requested_at started_at finished_at study_id record label_snapshot left_out "
    "conclusion is_published report regressor_id details_deleted_at",
    "training.Score": "run_id image_id recipe fit value",
    "training.TrainingImage": "run_id image_id",
    "training.LearnedFrom": "run_id images",
    "scoring.Regressor": "study recipe artefact artefact_sha256 provenance fitted_at published_at is_active",
}
KEY = "its row's number: facts are known by it, and point to each other by it"
WORK = "where a job stands; what it did is sealed"
PERSON = "who signs in and what they may open: reports know readers by their codes, and acts name who did them"
LOG = "the act in the audit log says the same, and is sealed"
NAME = "a name, for people and tables to join: what a table said of its image is sealed with the image"
FROM_HERE_ON = "says what is to be done from now on; no number is computed from it"
PICTURES = "what readers compare with; no number is computed from it"
SCREENED = "leads to what is sealed with the image, or not: is_kept, failed, override and cluster"
BEFORE_DRAWING = "parts the images before the golden set is drawn; what was drawn is promised and sealed"
TALLY = (
    "a running count of labels for the pages of oversight: no report, export or regressor reads it, and emptied with "
    "labeler_studytally it is counted anew"
)
BOOK = "how far sealing is: blocks are compared with the rows themselves"
APPS = "what apps send and get: it is not of a study"
# Why a column that is not sealed changes no printed number and no regressor: by model, or by model and columns.
IRRELEVANT = {
    "labeler.User labeler.User_groups labeler.User_user_permissions labeler.Invitation labeler.ProviderSession": PERSON,
    "labeler.Study_admins": PERSON,
    "labeler.Study: retrain_at erase_on erase_months_after_closing": FROM_HERE_ON,
    "labeler.AtlasPicture": PICTURES,
    "labeler.Dealing: reason dealt_by_id dealt_at": LOG,
    "labeler.Image: source_name": NAME,
    "labeler.Image: is_chosen": BEFORE_DRAWING,
    "labeler.Image: is_turned_by_hand": LOG,
    "labeler.JudgingRule: set_by_id set_at": LOG,
    "training.ReaderDecision: decided_by_id decided_at": LOG,
    "labeler.Alias": NAME,
    "labeler.ErasedName": "which names of files belong to nobody any more; no number is computed from it",
    "labeler.Consent: recorded_by_id recorded_at": LOG,
    "labeler.ProvisionalScore": BEFORE_DRAWING,
    "labeler.PrescreenRule labeler.PrescreenDecision labeler.SimilarPair": SCREENED,
    "labeler.Intake labeler.IntakeFile labeler.StudyJob": WORK,
    "labeler.Erasure: state stage error attempts lease_until requested_at started_at finished_at": WORK,
    "labeler.Erasure: requested_by_id": LOG,
    "labeler.Erasure: regressors": "found anew from what runs learned from, which is sealed",
    "labeler.ErasedImage: files done_at": "the certificate has them",
    "labeler.Assignment: public_id": "the address of a card",
    "labeler.Assignment: labeled_at": "sorts what a reader looks back at; numbers use the label's own time",
    "labeler.StudyTally labeler.DayTally labeler.ReasonTally labeler.TimeTally labeler.Doubt": TALLY,
    "labeler.ErasedNote": "compared with the hash of its label, which is sealed",
    "labeler.AuditEvent: transaction": "leads from an act to changes that are not sealed yet; then the block says so",
    "labeler.LedgerChange labeler.LedgerFact labeler.LedgerMark": BOOK,
    "training.TrainingRun: stage error attempts lease_until done total stage_began_at": WORK,
    "training.TrainingRun: requested_by_id cancelled_by_id": LOG,
    "training.TrainingRun: is_nightly fits_ms2019": "what the run was asked for; its record and report say what it did",
    "training.TrainingRun: are_details_gone": WORK,
    "training.TrainingImage: is_golden": "always false, by a constraint",
    "scoring.Regressor: learned_from_erased": "counted anew from what runs learned from, which is sealed",
    "scoring.ApiToken scoring.StoredAnswer scoring.StoredSelfie scoring.BulkJob scoring.BulkItem": APPS,
}
FIRST = {"labeler.Image", "labeler.Assignment", "labeler.LedgerBlock"}
# What the database's constraints take, where it is not any other value.
OTHER = {
    "labeler.Study.reports_released_at": "now(), closed_at = now()",
    "labeler.Assignment.withdrawn_in_id": "(SELECT min(id) FROM labeler_dealing), position = NULL",
    "labeler.Assignment.reader_id": "-1",
    "labeler.Assignment.image_id": "-1",
    "labeler.Assignment.position": "position + 1000",
    "labeler.JudgingRule.against": "'worst'",
    "labeler.Label.not_gradable": "'blurred', grade = NULL",
    "labeler.Label.is_undo": "true, grade = NULL",
    "labeler.Label.input_kind": "'mouse'",
    "labeler.LedgerBlock.study_id": "NULL, number = 99",
    "labeler.LedgerBlock.number": "99",
    "training.Score.image_id": "image_id + 1000",
    "training.TrainingRun.finished_at": "finished_at + interval '1 day'",
    "training.TrainingRun.left_out": "'[\"f\"]'",
    "training.TrainingRun.state": "'failed'",
    "training.LearnedFrom.images": "array_append(images, 1)",
}
EXPLAINING = sorted({act for kind in facts.KINDS for act in kind.acts})
# Not in an export: the words of acts, and what a page counts for itself.
NOT_EXPORTED = re.compile(
    r"labeler.AuditEvent\..*|labeler.JudgingRule\..*|training.ReaderDecision\..*|labeler.Reader\.(done|skipped)|labeler.LedgerBlock\.\w+_(until|changes)"
)


def models_with_facts() -> Iterator[type[Model]]:
    for app in ("labeler", "training", "scoring"):
        yield from apps.get_app_config(app).get_models(include_auto_created=True)


def columns(model: type[Model]) -> dict[str, Field]:  # type: ignore[type-arg]
    return {field.column: field for field in model._meta.concrete_fields if field.column}


def test_every_column_is_sealed_or_irrelevant_for_a_reason() -> None:
    classified = {(model, column) for model, said in SEALED.items() for column in said.split()}
    for which, reason in IRRELEVANT.items():
        of, _, named = which.partition(": ")
        assert reason
        for label in of.split():
            chosen = set(named.split() or columns(apps.get_model(label))) - {"id"}
            assert not classified & {(label, column) for column in chosen}, f"{label}: said twice"
            classified |= {(label, column) for column in chosen}
    there = {(model._meta.label, column) for model in models_with_facts() for column in columns(model)}
    assert classified - there == set()
    left = sorted(f"{model}.{column}" for model, column in there - classified if column != "id")  # KEY
    assert not left, f"{left}: seal what a printed number rests on (labeler/record/facts.py), or say why none does"


@pytest.fixture(scope="module")
def stage(rows_of_module: None, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Return a sealed study that has a row of everything: its last block has changes, by acts and by none."""
    ana, ben, olga = (builders.make_user(name) for name in ("ana", "ben", "olga"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.MEDIA_ROOT", tmp_path_factory.mktemp("media"))
        study = builders.make_study(readers=(ana, ben), images=12, golden_size=3)
        for image in study.images.all():
            measures = {"exposure": 0.4, "contrast": 0.2, "sharpness": -2.0, "short_side": 96, "faces": 1}
            Measurement.objects.create(image=image, **measures, face_size=0.5, fingerprint=bytes(32))
        training_builders.grade_everything(study)
        run = training_builders.finish_run(study)
        TrainingRun.objects.filter(pk=run.pk).update(regressor=publish_one())
        erased, other, *_ = study.images.filter(is_golden=False).order_by("-pk")
        TrainingImage.objects.create(run=run, image=other)
        LearnedFrom.objects.create(run=run, images=[erased.pk])
        subjects.correct(image=study.images.earliest("pk"), subject=SUBJECT, by=olga)
        seal()
        consents.record(study=study, subject=SUBJECT, scopes=["grading", "training"], by=olga)
        erasure = erasing.request(study=study, images=Image.objects.filter(pk=erased.pk), reason="asked", by=olga)
        seal()
        claimed = jobs.claim(Erasure, erasure.pk)
        assert claimed
        erasing.erase(claimed)
        taking_out.take_out(image=other, reason="no face", by=olga)
        judging_rule.set_rule(study=study, against="median", margin=0.1, reason="asked", by=olga)
        reader_decisions.decide(reader=study.readers.earliest("pk"), counts=False, flags=[], reason="asked", by=olga)
        seal()
        builders.make_images(study, 1)
        audit.record(study, olga, "exported the study")
        audit.record(None, olga, "signed in")
        seal()
    return study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@contextmanager
def undone() -> Iterator[None]:
    """Take back what the block changes."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def of_script(study: Study, folder: Path) -> str:
    """Return what the stand-alone script says of an export; without what takes long and the script does not read."""
    study = Study.objects.get(pk=study.pk)
    for name, document in (
        ("ledger", study_zip._ledger(study)),
        ("runs", [study_zip._run(run) for run in study.training_runs.order_by("pk")]),
    ):
        (folder / f"{name}.json").write_bytes(b"".join(study_zip._document(document)))
    for table in study_zip.TABLES:
        if table.name not in {"consensus", "image_labels_new"}:
            (folder / f"{table.name}.csv").write_bytes(b"".join(tables.as_csv(table, study)))
    with redirect_stdout(io.StringIO()) as said:
        check_ledger.inspect(folder, "")
    return said.getvalue()


# By the kind of field, the first that fits: SQL for a value that a row does not have.
OTHER_VALUES = (
    (models.BooleanField, "NOT coalesce({column}, false)"),
    (models.DateField, "coalesce({column}, now()) - interval '1 day'"),
    ((models.IntegerField, models.ForeignKey), "coalesce({column}, 0) + 1"),
    (models.FloatField, "coalesce({column}, 0) + 0.25"),
    (models.JSONField, """'{{"tampered": 1}}'"""),
    (models.BinaryField, "sha256({column})"),
    (models.UUIDField, "gen_random_uuid()"),
    (ArrayField, "'{{sharing}}'"),
    (Field, "left(md5({column} || 'x'), {length})"),
)


def other_value(field: Field) -> str:  # type: ignore[type-arg]
    value = next(value for kind, value in OTHER_VALUES if isinstance(field, kind))
    return value.format(column=field.column, length=min(field.max_length or 20, 20))


def change(statement: str) -> None:
    with every_right(), connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == 1, statement


def assert_found_for_ever(study: Study, olga: User, folder: Path, *, is_exported: bool, what: str) -> None:
    """Look before the next seal, after it, and after every act that could have explained the change."""
    assert findings(), what
    if is_exported:
        assert "untouched" not in of_script(study, folder), what
    audit.record(study, olga, "exported the study")
    seal()
    AuditEvent.objects.bulk_create(AuditEvent(study=study, user=olga, action=act) for act in EXPLAINING)
    seal()
    assert findings(), f"{what}, after acts"
    if is_exported:
        assert "untouched" not in of_script(study, folder), f"{what}, after acts"


def test_nothing_is_found_where_nothing_was_changed(stage: Study, folder: Path) -> None:
    assert findings() == []
    assert of_script(stage, folder).startswith("untouched")


@pytest.mark.parametrize("label", SEALED)
def test_a_changed_column_is_found_for_ever(stage: Study, folder: Path, label: str) -> None:
    model, olga = apps.get_model(label), User.objects.get(username="olga")
    table = model._meta.db_table
    for column in SEALED[label].split():
        field, name = columns(model)[column], f"{label}.{column}"
        key = model._meta.pk.column
        # The latest, whose numbers can be higher; of images one that was not erased, of blocks one of the study.
        row = f"(SELECT {'min' if label in FIRST else 'max'}({key}) FROM {table})"
        with undone():
            change(f"UPDATE {table} SET {column} = {OTHER.get(name) or other_value(field)} WHERE {key} = {row}")
            exported = not NOT_EXPORTED.fullmatch(name)
            assert_found_for_ever(stage, olga, folder, is_exported=exported, what=name)

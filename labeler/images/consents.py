"""Consents of subjects, and the three permissions of each image that follow from them.

A subject's latest statement counts. Without one everything is allowed, unless the study needs consent. An image that
was taken out (`labeler.privacy.taking_out`) is neither graded nor learned from, whatever its subject says.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from labeler.models import Assignment, Consent, ConsentScope, Image, Reader, Study, User
from labeler.record import audit, pseudonyms

MARKS = {
    ConsentScope.GRADING: "may_be_graded",
    ConsentScope.TRAINING: "may_be_trained_on",
    ConsentScope.SHARING: "may_be_shared",
}
FETCHED = 5000  # rows that a cursor of the database hands over


@dataclass
class Standing:
    """What a subject said so far."""

    scopes: frozenset[str] | None = None  # that hold now; None where nothing is recorded
    given_on: date | None = None
    refused_on: dict[str, date] = field(default_factory=dict)  # scope -> the last day on which it was not agreed to

    def held_back(self, scopes: Collection[str], given_on: date | None) -> frozenset[str]:
        """Return those of the scopes that a table does not give back: it does not say that it is later than a refusal.

        A refusal without a day counts from the day on which it was recorded.
        """
        refused = {scope: self.refused_on[scope] for scope in scopes if scope in self.refused_on}
        return frozenset(
            scope
            for scope, day in refused.items()
            if scope not in (self.scopes or ()) and (given_on is None or given_on <= day)
        )


@transaction.atomic
def record(
    *,
    study: Study,
    subject: str,
    scopes: Collection[str],
    given_on: date | None = None,
    source: str = "",
    by: User | None,
) -> Consent:
    """Write down what a subject agrees to from now on, and mark their images by it. Nothing is what takes it back."""
    said = write(study=study, subject=subject, scopes=scopes, given_on=given_on, source=source, by=by)
    apply(study, subjects=[subject])
    return said


@transaction.atomic
def write(
    *, study: Study, subject: str, scopes: Collection[str], given_on: date | None, source: str, by: User | None
) -> Consent:
    """Write down what a subject agrees to. `apply` has still to follow."""
    said = Consent.objects.create(
        study=study,
        subject=subject,
        scopes=sorted(scopes),
        given_on=given_on,
        source=source[:200],
        recorded_by=by,
    )
    audit.record(study, by, "consent recorded", detail=f"{pseudonyms.of_subject(study, subject)}: {said}")
    return said


@transaction.atomic
def require(study: Study, *, is_needed: bool, by: User | None) -> None:
    """Say whether images without a known consent may be dealt and learned from."""
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    if study.needs_consent == is_needed:
        return
    study.needs_consent = is_needed
    study.save(update_fields=["needs_consent"])
    audit.record(study, by, "consent is needed" if is_needed else "consent is not needed")
    apply(study)


def latest(study: Study) -> QuerySet[Consent]:
    """Return what each subject said last."""
    said = Consent.objects.filter(study=study).order_by("subject", "-pk").distinct("subject")
    return Consent.objects.filter(pk__in=said.values("pk")).order_by("subject")


def history(study: Study, subject: str) -> QuerySet[Consent]:
    """Return what a subject said, the latest first: also what stands under their pseudonym since they were erased."""
    names = (subject, pseudonyms.of_subject(study, subject))
    return study.consents.filter(subject__in=names).select_related("recorded_by")


def silence(study: Study) -> frozenset[str]:
    """Return what may be done with photographs of a subject who has said nothing."""
    return frozenset() if study.needs_consent else frozenset(ConsentScope.values)


def standings(study: Study, subjects: Collection[str]) -> dict[str, Standing]:
    """Return subject -> what they said so far, also what stands under their pseudonym since they were erased."""
    wanted = {subject: subject for subject in subjects}
    if study.erasures.exists():
        wanted |= {pseudonyms.of_subject(study, subject): subject for subject in subjects}
    found: dict[str, Standing] = defaultdict(Standing)
    said = study.consents.order_by("pk").values_list("subject", "scopes", "given_on", "recorded_at")
    for code, scopes, given_on, recorded_at in said.iterator(FETCHED):
        if subject := wanted.get(code):
            standing = found[subject]
            standing.scopes, standing.given_on = frozenset(scopes), given_on
            day = given_on or timezone.localdate(recorded_at)
            for scope in set(ConsentScope.values).difference(scopes):
                standing.refused_on[scope] = max(day, standing.refused_on.get(scope, day))
    return found


@transaction.atomic
def apply(study: Study, *, subjects: Sequence[str] | None = None) -> None:
    """Mark the images of these subjects, or of the whole study, by what was said last."""
    images = study.images.filter(is_erased=False)
    if subjects is not None:
        images = images.filter(subject__in=subjects)
    alike = defaultdict(list)
    for subject, consent in _said_by(study, images, subjects).items():
        alike[tuple(consent.scopes)].append(subject)
    for scopes, known in alike.items():
        _mark(images.filter(subject__in=known), scopes)
    unknown = images.exclude(subject__in=[subject for known in alike.values() for subject in known])
    _mark(unknown, silence(study))
    count_skipped(study)


def _said_by(study: Study, images: QuerySet[Image], subjects: Sequence[str] | None) -> dict[str, Consent]:
    """Return subject -> what they said last, by name or, where they were erased and came again, by pseudonym."""
    if subjects is None and not study.erasures.exists():
        return {consent.subject: consent for consent in latest(study)}
    named = images.exclude(subject="").order_by().values_list("subject", flat=True).distinct()
    name_of = {pseudonyms.of_subject(study, name): name for name in named}
    said = latest(study)
    if subjects is not None:
        said = said.filter(subject__in=[*name_of, *name_of.values()])
    last: dict[str, Consent] = {}
    for consent in sorted(said, key=lambda one: one.pk):
        last[name_of.get(consent.subject, consent.subject)] = consent
    return last


def judge(image: Image) -> None:
    """Mark one image by what was said last."""
    consent = history(image.study, image.subject).first() if image.subject else None
    scopes = consent.scopes if consent else silence(image.study)
    _mark(Image.objects.filter(pk=image.pk, is_erased=False), scopes)


def count_skipped(study: Study) -> None:
    """Keep each reader's number of images that are left out of their list."""
    shut = Assignment.objects.filter(
        reader__study=study, is_done=False, withdrawn_in=None, image__may_be_graded=False
    ).order_by()
    counted = dict(shut.values_list("reader").annotate(images=Count("pk")))
    for reader in study.readers.filter(Q(skipped__gt=0) | Q(pk__in=counted)):
        Reader.objects.filter(pk=reader.pk).update(skipped=counted.get(reader.pk, 0))


def counts(study: Study) -> Mapping[str, int]:
    """Return how many images may for want of consent not be graded, not be trained on and not be shared.

    And how many were taken out, and how many are erased.
    """
    here = Q(is_erased=False, is_taken_out=False)
    shut = {mark: Count("pk", filter=Q(here, **{mark: False})) for mark in MARKS.values()}
    gone = {"taken_out": Q(is_taken_out=True, is_erased=False), "erased": Q(is_erased=True)}
    return study.images.aggregate(**shut, **{name: Count("pk", filter=which) for name, which in gone.items()})


def with_latest(study: Study, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return these rows of subjects, each with what they said last."""
    said = {one.subject: one for one in latest(study).filter(subject__in=[row["subject"] for row in rows])}
    return [{**row, "consent": said.get(row["subject"])} for row in rows]


def _mark(images: QuerySet[Image], scopes: Collection[str]) -> None:
    marks = {mark: scope in scopes for scope, mark in MARKS.items()}
    taken_out = marks | {"may_be_graded": False, "may_be_trained_on": False}
    images.filter(is_taken_out=False).exclude(**marks).update(**marks)
    images.filter(is_taken_out=True).exclude(**taken_out).update(**taken_out)

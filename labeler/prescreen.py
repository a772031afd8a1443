"""Prescreening: which images are good enough to be graded. Limits drop images, a person's word goes over them.

What is dealt or golden already stays: its grades are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, Concat, Trim

from labeler import audit
from labeler.models import Image, PrescreenDecision, PrescreenRule, Study, User

Limits = Mapping[str, tuple[float | None, float | None]]


class PrescreenError(ValueError):
    """Why a decision can't be made, as a sentence for people."""


@dataclass(frozen=True)
class Measure:
    """One column of Measurement that can have limits."""

    name: str
    title: str
    about: str
    step: float


MEASURES = (
    Measure("exposure", "Exposure", "Mean lightness of the face, 0 black to 1 white.", 0.01),
    Measure("contrast", "Contrast", "Standard deviation of lightness; fog and flat light are below 0.08.", 0.01),
    Measure("sharpness", "Sharpness", "Logarithm of the variance of the Laplacian on the face; blur is low.", 0.1),
    Measure("short_side", "Resolution", "Shorter side in pixels.", 1),
    Measure("faces", "Faces", "How many faces are found; 0 may still be a profile.", 1),
    Measure("face_size", "Size of the face", "Its height as a share of the picture's.", 0.01),
)
WORDS = {True: "kept", False: "dropped", None: "left to their measures"}
NAMES = tuple(measure.name for measure in MEASURES)


def kept(study: Study) -> QuerySet[Image]:
    """Return the images that a golden set may be drawn from and that folds are dealt from."""
    return study.images.filter(is_kept=True)


def current_limits(study: Study) -> Limits:
    """Return measure -> (smallest, largest); nothing is limited before somebody sets limits."""
    rule = study.prescreen_rules.first()
    return {name: tuple(limits) for name, limits in rule.limits.items()} if rule else {}


def failing(limits: Limits) -> Q:
    """Return the condition of a measured image outside any of the limits."""
    return Q(*(_outside(name, *bounds) for name, bounds in limits.items()), _connector=Q.OR) if limits else Q(pk=None)


def undecided(study: Study) -> QuerySet[Image]:
    """Return the images that limits may still drop or bring back: neither golden nor in anybody's list."""
    return study.images.filter(is_golden=False, assignments=None)


@transaction.atomic
def set_limits(*, study: Study, limits: Limits, by: User | None, reason: str = "") -> int:
    """Make these the study's limits and apply them; return how many images they drop. Raises PrescreenError."""
    _check(limits)
    PrescreenRule.objects.create(study=study, limits=dict(limits), reason=reason, set_by=by)
    audit.record(study, by, "prescreening limits set", detail=in_words(limits), reason=reason)
    return apply(study)


@transaction.atomic
def apply(study: Study) -> int:
    """Hold every image that is not dealt yet against the current limits; return how many are dropped now."""
    limits = current_limits(study)
    waiting = undecided(study)
    waiting.exclude(failed="").update(failed="")
    for name, bounds in limits.items():
        outside = waiting.filter(pk__in=waiting.filter(_outside(name, *bounds)).values("pk"))
        outside.update(failed=Trim(Concat(F("failed"), Value(f" {name}"), output_field=TextField())))
    _settle(waiting)
    return study.images.filter(is_kept=False).count()


@transaction.atomic
def decide(*, study: Study, images: Sequence[int], is_kept: bool | None, by: User | None, reason: str) -> int:
    """Keep or drop these images whatever their measures say; None goes back to the measures.

    Returns how many changed. Raises PrescreenError where there is no reason, or an image is dealt or golden.
    """
    if not reason.strip():
        raise PrescreenError("Say in a few words why: the decision is kept with its reason.")
    chosen = undecided(study).filter(pk__in=images)
    ids = list(chosen.values_list("pk", flat=True))
    if len(ids) < len(set(images)):
        raise PrescreenError("Some of these images are golden or in a reader's list already; they stay.")
    PrescreenDecision.objects.bulk_create(
        PrescreenDecision(image_id=pk, is_kept=is_kept, reason=reason, decided_by=by) for pk in ids
    )
    chosen.update(override=is_kept)
    _settle(chosen)
    audit.record(study, by, "prescreening decided", detail=f"{len(ids)} images {WORDS[is_kept]}", reason=reason)
    return len(ids)


def in_words(limits: Limits) -> str:
    """Say the limits in a line."""
    said = [f"{name} {_bounds(*bounds)}" for name, bounds in limits.items() if bounds != (None, None)]
    return ", ".join(said) or "no limits"


def _outside(name: str, smallest: float | None, largest: float | None) -> Q:
    column = f"measurement__{name}"
    below = Q(**{f"{column}__lt": smallest}) if smallest is not None else Q(pk=None)
    above = Q(**{f"{column}__gt": largest}) if largest is not None else Q(pk=None)
    return below | above


def _settle(images: QuerySet[Image]) -> None:
    images.filter(failed="").update(is_kept=Coalesce(F("override"), Value(True)))  # noqa: FBT003  SQL's true
    images.exclude(failed="").update(is_kept=Coalesce(F("override"), Value(False)))  # noqa: FBT003


def _check(limits: Limits) -> None:
    for name, (smallest, largest) in limits.items():
        if name not in NAMES:
            raise PrescreenError(f"There is no measure {name}. There are: {', '.join(NAMES)}.")
        if smallest is not None and largest is not None and smallest > largest:
            raise PrescreenError(f"The smallest {name} allowed, {smallest:g}, is above the largest, {largest:g}.")


def _bounds(smallest: float | None, largest: float | None) -> str:
    if smallest is None:
        return f"up to {largest:g}"
    return f"from {smallest:g}" if largest is None else f"{smallest:g} to {largest:g}"

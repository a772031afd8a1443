"""Prescreening: limits on quality measures drop images; a person's decision overrides them.

What was there when the golden set was drawn is settled, and so is what is dealt: its grades are there, or will be.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.functions import Coalesce, Concat, Trim

from labeler.models import Assignment, Image, Measurement, PrescreenDecision, PrescreenRule, Study, User
from labeler.record import audit

Limits = Mapping[str, tuple[float | None, float | None]]


class PrescreenError(ValueError):
    """Why a decision can't be made, as a sentence for people."""


@dataclass(frozen=True)
class Measure:
    """One column of Measurement that can have limits, and the range in which its values usually lie."""

    name: str
    title: str
    about: str
    step: float
    low: float
    high: float


MEASURES = (
    Measure("exposure", "Exposure", "Mean lightness of the face, 0 black to 1 white.", 0.01, 0, 1),
    Measure(
        "contrast", "Contrast", "Standard deviation of lightness; fog and flat light are below 0.08.", 0.01, 0, 0.5
    ),
    Measure(
        "sharpness", "Sharpness", "Logarithm of the variance of the Laplacian on the face; blur is low.", 0.1, -6, 0
    ),
    Measure("short_side", "Resolution", "Shorter side in pixels.", 1, 0, 4000),
    Measure("faces", "Faces", "How many faces are found; 0 may still be a profile.", 1, 0, 6),
    Measure("face_size", "Size of the face", "Its height as a share of the picture's.", 0.01, 0, 1),
)
SETTLED = (
    "Some of these images were there when the golden set was drawn, or are in a reader's list. They stay as they are: "
    "dropping images one by one would reveal which are golden. The page of an image can take it out, for a reason."
)
WORDS = {True: "kept", False: "dropped", None: "left to their measures"}
NEVER = Q(pk__in=[])  # Django leaves it out of the statement, so that the others can use their indexes
NAMES = tuple(measure.name for measure in MEASURES)


def kept(study: Study) -> QuerySet[Image]:
    """Return the images that a golden set may be drawn from and that folds are dealt from."""
    return study.images.filter(is_kept=True, may_be_graded=True)


def current_limits(study: Study) -> Limits:
    """Return measure -> (smallest, largest); without limits, nothing is limited."""
    rule = study.prescreen_rules.first()
    return {name: tuple(rule.limits[name]) for name in NAMES if name in rule.limits} if rule else {}


def failing(limits: Limits) -> Q:
    """Return the condition of a measured image outside any of the limits."""
    return Q(*(outside(name, *bounds) for name, bounds in limits.items()), _connector=Q.OR) if limits else NEVER


def is_open(study: Study) -> Q:
    """Return the condition of an image that may still be dropped or brought back.

    It does not tell golden images from others: all that was there when they were drawn is settled, dealt or not.
    """
    settled = Q(imported_at__lte=study.golden_drawn_at) if study.golden_drawn_at else NEVER
    dealt = Assignment.objects.filter(image=OuterRef("pk"))
    return Q(~Exists(dealt), is_golden=False) & ~settled


def undecided(study: Study) -> QuerySet[Image]:
    """Return the images that limits and people may still drop or bring back."""
    return study.images.filter(is_open(study))


def dropped_by(study: Study, limits: Limits) -> QuerySet[Image]:
    """Return the images these limits would drop: none that are settled, or decided by a person."""
    return undecided(study).filter(failing(limits), override=None)


@transaction.atomic
def set_limits(*, study: Study, limits: Limits, by: User | None, reason: str = "", at_once: bool = True) -> int:
    """Make these the study's limits and apply them; return how many images are dropped now. Raises PrescreenError.

    Not `at_once`, they wait for a call of `apply`, which takes half a minute for a million images.
    """
    check(limits)
    PrescreenRule.objects.create(study=study, limits=dict(limits), reason=reason, set_by=by)
    audit.record(study, by, "prescreening limits set", detail=in_words(limits), reason=reason)
    return apply(study) if at_once else _dropped(study)


@transaction.atomic
def apply(study: Study) -> int:
    """Hold every image that is not settled against the current limits; return how many are dropped now."""
    if changed := _hold(undecided(study), current_limits(study)):
        audit.record(study, None, "prescreening limits applied", detail=f"{changed} images changed")
    return _dropped(study)


def judge(image: Image) -> None:
    """Hold one image against the current limits."""
    _hold(undecided(image.study).filter(pk=image.pk), current_limits(image.study))


@transaction.atomic
def decide(*, study: Study, images: Collection[int], is_kept: bool | None, by: User | None, reason: str) -> int:
    """Keep or drop these images whatever their measures say; None goes back to the measures.

    Returns how many changed. Raises PrescreenError where there is no reason, or an image is dealt or golden.
    """
    if not reason.strip():
        raise PrescreenError("Say in a few words why: the decision is kept with its reason.")
    chosen = undecided(study).filter(pk__in=images)
    ids = list(chosen.values_list("pk", flat=True))
    if len(ids) < len(set(images)):
        raise PrescreenError(SETTLED)
    PrescreenDecision.objects.bulk_create(
        PrescreenDecision(image_id=pk, is_kept=is_kept, reason=reason, decided_by=by) for pk in ids
    )
    chosen.update(override=is_kept)
    _settle(chosen)
    audit.record(study, by, "prescreening decided", detail=f"{len(ids)} images {WORDS[is_kept]}", reason=reason)
    return len(ids)


def in_words(limits: Limits) -> str:
    """Say the limits in a line."""
    given = {name: bounds for name, bounds in limits.items() if bounds != (None, None)}
    said = [f"{one.title.lower()} {_bounds(*given[one.name])}" for one in MEASURES if one.name in given]
    return ", ".join(said) or "no limits"


def outside(name: str, smallest: float | None, largest: float | None, *, prefix: str = "measurement__") -> Q:
    """Return the condition of an image whose measure is outside the limits."""
    column = f"{prefix}{name}"
    below = Q(**{f"{column}__lt": smallest}) if smallest is not None else NEVER
    above = Q(**{f"{column}__gt": largest}) if largest is not None else NEVER
    return below | above


def _failed(limits: Limits) -> Trim:
    """Return the names of the limits that a measurement is outside of, parted by spaces."""
    said = [
        Case(When(outside(name, *bounds, prefix=""), then=Value(f"{name} ")), default=Value(""))
        for name, bounds in limits.items()
        if any(bound is not None for bound in bounds)
    ]
    return Trim(Concat(Value(""), Value(""), *said, output_field=TextField()))


def _hold(waiting: QuerySet[Image], limits: Limits) -> int:
    """Say of each image which limits it is outside of, and drop it or bring it back; return how many changed."""
    now = Measurement.objects.filter(image=OuterRef("pk")).values(said=_failed(limits))
    touched = waiting.filter(Q(pk__in=waiting.filter(failing(limits)).values("pk")) | ~Q(failed=""))
    stale = touched.annotate(now=Coalesce(Subquery(now), Value(""), output_field=TextField())).exclude(failed=F("now"))
    by_measures = Case(When(now="", then=Value(True)), default=Value(False))  # noqa: FBT003  SQL's true and false
    return stale.update(failed=F("now"), is_kept=Coalesce(F("override"), by_measures))


def _dropped(study: Study) -> int:
    return study.images.filter(is_kept=False).count()


def _settle(images: QuerySet[Image]) -> None:
    """Let each image be used or not, as its measures and people say; rows that say so already are not touched."""
    is_kept = Q(override=True) | Q(override=None, failed="")
    is_dropped = Q(override=False) | (Q(override=None) & ~Q(failed=""))
    images.filter(is_kept, is_kept=False).update(is_kept=True)
    images.filter(is_dropped, is_kept=True).update(is_kept=False)


def check(limits: Limits) -> None:
    for name, (smallest, largest) in limits.items():
        if name not in NAMES:
            raise PrescreenError(f"There is no measure {name}. There are: {', '.join(NAMES)}.")
        if smallest is not None and largest is not None and smallest > largest:
            raise PrescreenError(f"The smallest {name} allowed, {smallest:g}, is above the largest, {largest:g}.")


def _bounds(smallest: float | None, largest: float | None) -> str:
    if smallest is None:
        return f"up to {largest:g}"
    return f"from {smallest:g}" if largest is None else f"{smallest:g} to {largest:g}"

"""Fitted regressors: artefact in storage, row in the database, and the active one of a study."""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from django.db import transaction
from django.utils import timezone

from scoring.models import Regressor
from scoring.platform import blobs, telemetry
from scoring.regressor import heads
from scoring.regressor.out_of_distribution import Familiarity
from scoring.regressor.pipeline import FittedRegressor
from scoring.regressor.recipes import Recipe
from scoring.regressor.score_scale import Scale

FOLDER = "regressors"
FACTS = "facts"  # everything that is no array, as JSON
PREDICTOR, FAMILIAR = "predictor.", "familiarity."  # what the names of their arrays begin with
LOADED_AT_ONCE = 4  # regressors in memory, 11 MB each
REFUSED_FOR = 60.0  # seconds until a damaged artefact is read again: it may have been restored

logger = logging.getLogger(__name__)

_refused: dict[int, tuple[float, str]] = {}  # by row: when, and why


class ArtefactError(RuntimeError):
    """A regressor's artefact can't be used, as a sentence for the operator."""


class NoActiveRegressor(LookupError):  # noqa: N818 (a state of affairs that callers name, not a fault)
    """No regressor is published for a study, as a sentence for people."""


def save(fitted: FittedRegressor, *, study: str, provenance: Mapping[str, Any]) -> Regressor:
    """Store the artefact, then its row. It answers for nothing until it is published.

    The same regressor always gives the same bytes. Raises ArtefactError for a predictor of no known kind.
    """
    data = _pack(fitted)
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"{FOLDER}/{sha256}.safetensors"
    blobs.write(name, data)
    return Regressor.objects.create(
        study=study,
        recipe=fitted.recipe.as_json(),
        artefact=name,
        artefact_sha256=sha256,
        provenance=dict(provenance),
    )


def load(row: Regressor) -> FittedRegressor:
    """Read a stored regressor, checking its hash before anything else looks at it. Raises ArtefactError."""
    return _of_row(_load(row.artefact, row.artefact_sha256), row)


def verify(row: Regressor) -> None:
    """Read a regressor from storage once more, though this process may have it in memory. Raises ArtefactError."""
    _of_row(_read(row.artefact, row.artefact_sha256), row)


def _of_row(fitted: FittedRegressor, row: Regressor) -> FittedRegressor:
    if fitted.recipe.as_json() != row.recipe:
        raise ArtefactError(f"The artefact of {row} was fitted for another recipe than its row says. Retrain.")
    return replace(fitted, id=row.pk)


@transaction.atomic
def publish(row: Regressor) -> None:
    """Let this regressor answer for its study from now on, in the place of the one before. Raises ArtefactError."""
    verify(row)
    # Locks the study's rows: of two that publish at once the later one wins, and neither fails.
    rivals = Regressor.objects.select_for_update().filter(study=row.study).order_by("pk")
    active = [rival.pk for rival in rivals if rival.is_active]
    Regressor.objects.filter(pk__in=active).update(is_active=False)
    Regressor.objects.filter(pk=row.pk).update(is_active=True, published_at=timezone.now())
    row.refresh_from_db()


def active(study: str) -> FittedRegressor:
    """The regressor that answers for a study: the published one, or the one before it where its artefact is damaged.

    Raises NoActiveRegressor, ArtefactError.
    """
    row = Regressor.objects.filter(study=study, is_active=True).first()
    if row is None:
        raise NoActiveRegressor(f"Study {study} has no published regressor yet. Retrain it first.")
    try:
        return _unless_refused(row)
    except ArtefactError:
        before = stand_in(row)
        if before is None:
            raise
        return load(before)


def stand_in(row: Regressor) -> Regressor | None:
    """Return the regressor that answers while an active one's artefact is damaged: what it took the place of.

    Not if that was fitted later, which means a roll-back by a person; nor if it was fitted on erased images.
    """
    earlier = Regressor.objects.filter(study=row.study, pk__lt=row.pk, published_at__isnull=False)
    before = earlier.order_by("-published_at").first()
    return before if before and not before.learned_from_erased else None


def _unless_refused(row: Regressor) -> FittedRegressor:
    """Load a regressor; one whose artefact was damaged is not read again before a while has passed."""
    refused_at, why = _refused.get(row.pk, (-REFUSED_FOR, ""))
    if why and time.monotonic() - refused_at < REFUSED_FOR:
        raise ArtefactError(why)
    try:
        return load(row)
    except ArtefactError as error:
        _refused[row.pk] = time.monotonic(), str(error)
        telemetry.artefacts_refused.inc()
        logger.error("%s of study %s can't answer: %s", row, row.study, error)  # noqa: TRY400  a sentence
        raise


def collect() -> int:
    """Delete artefacts that no row names, as of a run that was killed while it stored one. Return how many files.

    Where no row names any of them the storage is another database's, and all stay.
    """
    names = [f"{FOLDER}/{name}" for name in blobs.files(FOLDER)]
    known = set(Regressor.objects.filter(artefact__in=names).values_list("artefact", flat=True))
    orphans = [name for name in names if known and name not in known and blobs.was_abandoned(name)]
    for name in orphans:
        blobs.erase(name)
    return len(orphans)


@lru_cache(maxsize=LOADED_AT_ONCE)
def _load(name: str, sha256: str) -> FittedRegressor:
    return _read(name, sha256)


def _read(name: str, sha256: str) -> FittedRegressor:
    try:
        data = blobs.read(name)
    except FileNotFoundError as error:
        raise ArtefactError(f"The artefact {name} is not in storage. Restore it, or retrain.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ArtefactError(f"The artefact {name} is not the one that was stored: its SHA-256 differs. Retrain.")
    try:
        return _unpack(data)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"The artefact {name} is of a kind that this version does not know. Retrain.") from error


def _pack(fitted: FittedRegressor) -> bytes:
    """Arrays and JSON, in a format that holds nothing else: reading it runs no code."""
    kinds = [name for name, kind in heads.KINDS.items() if type(fitted.predictor) is kind]
    if not kinds:
        raise ArtefactError(f"An artefact may not hold a {type(fitted.predictor).__name__}.")
    known = fitted.familiarity
    facts = {
        "recipe": fitted.recipe.as_json(),
        "scale": list(fitted.scale.grades),
        "kind": kinds[0],
        "half_width": fitted.half_width,
        "familiarity": {"noise": known.noise, "limit": known.limit} if known else None,
    }
    arrays = {PREDICTOR + name: array for name, array in fitted.predictor.arrays().items()}
    if known:
        of_faces = {"mean": known.mean, "axes": known.axes, "variances": known.variances}
        arrays |= {FAMILIAR + name: array for name, array in of_faces.items()}
    arrays[FACTS] = np.frombuffer(json.dumps(facts, sort_keys=True).encode(), dtype=np.uint8)
    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _unpack(data: bytes) -> FittedRegressor:
    arrays = safetensors.numpy.load(data)
    facts = json.loads(arrays[FACTS].tobytes())
    if "scale" not in facts:
        raise ArtefactError("The artefact does not say which grades it was fitted on. Retrain.")
    known = facts["familiarity"]
    return FittedRegressor(
        Recipe.from_json(facts["recipe"]),
        heads.KINDS[facts["kind"]].from_arrays(_named(arrays, PREDICTOR)),
        Scale(tuple(facts["scale"])),
        half_width=facts["half_width"],
        familiarity=_familiarity(_named(arrays, FAMILIAR), known) if known else None,
    )


def _familiarity(arrays: heads.Arrays, known: Mapping[str, Any]) -> Familiarity:
    return Familiarity(arrays["mean"], arrays["axes"], arrays["variances"], known["noise"], known["limit"])


def _named(arrays: heads.Arrays, beginning: str) -> heads.Arrays:
    return {name.removeprefix(beginning): array for name, array in arrays.items() if name.startswith(beginning)}

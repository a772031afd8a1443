"""Fitted regressors: an artefact in storage, its row, and which one answers for a study."""

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.utils import timezone

from scoring import blobs
from scoring.familiarity import Familiarity
from scoring.models import Regressor
from scoring.pipeline import Estimator, FittedRegressor
from scoring.recipes import Recipe

# What an artefact may hold beside the numpy and scikit-learn types that skops itself knows to be harmless.
TRUSTED_TYPES: list[str] = []
# What scikit-learn keeps in order to fit on, and predicting does not need: three quarters of the artefact.
FOR_FITTING_ON = ("_optimizer", "_random_state", "_best_coefs", "_best_intercepts")
LOADED_AT_ONCE = 4  # regressors in memory, 11 MB each


class ArtefactError(RuntimeError):
    """A regressor's artefact can't be used, as a sentence for the operator."""


class NoActiveRegressor(LookupError):  # noqa: N818 (a state of affairs that callers name, not a fault)
    """No regressor is published for a study, as a sentence for people."""


def save(fitted: FittedRegressor, *, study: str, provenance: Mapping[str, Any]) -> Regressor:
    """Store the artefact, then its row. It answers for nothing until it is published.

    Raises ArtefactError if the estimator holds anything that could not be loaded again safely.
    """
    import skops.io  # with all of scikit-learn, seconds: not when the web process starts

    content = {
        "recipe": fitted.recipe.as_json(),
        "grades": list(fitted.grades),
        "estimator": _ready_to_predict(fitted.estimator),
        "half_width": fitted.half_width,
        "familiarity": vars(fitted.familiarity) if fitted.familiarity else None,
    }
    data = skops.io.dumps(content)
    unknown = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES)
    if unknown:
        raise ArtefactError(f"An artefact may not hold {', '.join(sorted(unknown))}.")
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"regressors/{sha256}.skops"
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
    fitted = replace(_load(row.artefact, row.artefact_sha256), id=row.pk)
    if fitted.recipe.as_json() != row.recipe:
        raise ArtefactError(f"The artefact of {row} was fitted for another recipe than its row says. Retrain.")
    return fitted


@transaction.atomic
def publish(row: Regressor) -> None:
    """Let this regressor answer for its study from now on, in the place of the one before. Raises ArtefactError."""
    load(row)
    # Locks the study's rows: of two that publish at once the later one wins, and neither fails.
    rivals = Regressor.objects.select_for_update().filter(study=row.study).order_by("pk")
    active = [rival.pk for rival in rivals if rival.is_active]
    Regressor.objects.filter(pk__in=active).update(is_active=False)
    Regressor.objects.filter(pk=row.pk).update(is_active=True, published_at=timezone.now())
    row.refresh_from_db()


def active(study: str) -> FittedRegressor:
    """The regressor that answers for a study. Raises NoActiveRegressor, ArtefactError."""
    row = Regressor.objects.filter(study=study, is_active=True).first()
    if row is None:
        raise NoActiveRegressor(f"Study {study} has no published regressor yet. Retrain it first.")
    return load(row)


@lru_cache(maxsize=LOADED_AT_ONCE)
def _load(name: str, sha256: str) -> FittedRegressor:
    import skops.io

    try:
        data = blobs.read(name)
    except FileNotFoundError as error:
        raise ArtefactError(f"The artefact {name} is not in storage. Restore it, or retrain.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ArtefactError(f"The artefact {name} is not the one that was stored: its SHA-256 differs. Retrain.")
    content = skops.io.loads(data, trusted=TRUSTED_TYPES)
    lowest, highest = content["grades"]
    known = content.get("familiarity")  # an artefact of before has neither this nor an interval
    return FittedRegressor(
        Recipe.from_json(content["recipe"]),
        content["estimator"],
        grades=(lowest, highest),
        half_width=content.get("half_width"),
        familiarity=Familiarity(**known) if known else None,
    )


def _ready_to_predict(estimator: Estimator) -> Estimator:
    """A copy without what only further fitting needs."""
    slim = copy.copy(estimator)
    for name in FOR_FITTING_ON:
        vars(slim).pop(name, None)
    return slim

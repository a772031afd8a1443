"""Publishing a run's regressor by hand, for a reason, and going back to an earlier one."""

from django.db import transaction

from labeler.models import Study, User
from labeler.record import audit
from scoring.regressor import regressors
from training.models import TrainingRun


@transaction.atomic
def publish(*, run: TrainingRun, by: User | None, reason: str) -> None:
    """Let a run's regressor answer, whatever its gate said. Raises regressors.ArtefactError."""
    _put_in_service(run, by, audit.PUBLISHED_BY_HAND, reason)


@transaction.atomic
def roll_back(*, study: Study, by: User | None, reason: str) -> TrainingRun | None:
    """Let the regressor that answered before the present one answer again. None if there was none before.

    Raises regressors.ArtefactError.
    """
    before = previous(study)
    if before:
        _put_in_service(before, by, audit.ROLLED_BACK, reason)
    return before


def previous(study: Study) -> TrainingRun | None:
    """Return the run whose regressor answered before the one that answers now."""
    was_there = study.training_runs.filter(regressor__published_at__isnull=False, regressor__is_active=False)
    return was_there.select_related("regressor").order_by("-regressor__published_at").first()


def _put_in_service(run: TrainingRun, by: User | None, action: str, reason: str) -> None:
    if run.regressor is None:
        raise regressors.ArtefactError(f"{run} made no regressor that could be published.")
    regressors.publish(run.regressor)
    audit.record(run.study, by, action, detail=f"of {run}", reason=reason)

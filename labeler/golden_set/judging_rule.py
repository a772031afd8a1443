"""By which rule a study's machine is judged: chosen before reading, and changed later for a logged reason only."""

from django.db import transaction

from labeler.models import Assignment, JudgingRule, Study, User
from labeler.record import audit

LARGEST_MARGIN = 1.0  # grades: a machine a whole grade worse than a reader is not as good by any plan
ACTIVE_MARGIN = 0.05  # grades: a difference of RMSE that people would act on (training.statistics.planning)


class RuleError(ValueError):
    """Why a rule can't be set, as a sentence for people."""


def has_begun(study: Study) -> bool:
    """Whether any reader has graded."""
    return Assignment.objects.filter(reader__study=study, is_done=True).exists()


def in_words(rule: JudgingRule | None) -> str:
    """Say what must be shown of a machine before it is published."""
    against, margin = (rule.against, rule.margin) if rule else (JudgingRule.Against.WORST, 0.0)
    active = rule.active_margin if rule else ACTIVE_MARGIN
    whom = f"the {against} reader"
    shown = (
        f"to be less than {margin:g} grades of RMSE farther off than {whom}" if margin else f"to be closer than {whom}"
    )
    return f"A machine must be shown {shown}, and less than {active:g} worse than the regressor in service."


@transaction.atomic
def set_rule(
    *,
    study: Study,
    against: str,
    margin: float,
    active_margin: float = ACTIVE_MARGIN,
    reason: str = "",
    by: User | None,
) -> JudgingRule:
    """Set the rule by which runs from now on are judged. Raises RuleError.

    Once somebody has graded it takes a reason, and every later report says when and why it was changed.
    """
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    if against not in JudgingRule.Against.values:
        raise RuleError(f"A machine is held against the {' or the '.join(JudgingRule.Against.values)} reader.")
    if not 0 <= margin <= LARGEST_MARGIN or not 0 < active_margin <= LARGEST_MARGIN:
        raise RuleError(
            f"Margins are numbers of grades from 0 to {LARGEST_MARGIN:g}; the one in service needs more than 0."
        )
    is_late = has_begun(study)
    if is_late and not reason:
        raise RuleError("Readers have begun to grade. Say why the rule changes now: reports will quote it.")
    rule = JudgingRule.objects.create(
        study=study,
        against=against,
        margin=margin,
        active_margin=active_margin,
        after_reading=is_late,
        reason=reason,
        set_by=by,
    )
    action = "changed the judging rule late" if is_late else "set the judging rule"
    audit.record(study, by, action, detail=in_words(rule), reason=reason)
    return rule

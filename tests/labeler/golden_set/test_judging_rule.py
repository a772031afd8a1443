"""The rule by which a machine is judged: chosen before reading, changed later for a logged reason."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from labeler.golden_set import judging_rule
from labeler.golden_set.judging_rule import RuleError
from labeler.models import AuditEvent, JudgingRule, Study, User
from tests.training.builders import finish_run, grade_everything
from training.reports import run_report
from training.verdicts.against_readers import Rule

PAGE = "/studies/acne/rule/"
MEDIAN = {"against": "median", "margin": "0.05", "active_margin": "0.03"}


def test_without_a_rule_the_machine_must_be_closer_than_the_worst_reader(study: Study) -> None:
    assert run_report.rule_of(study) == Rule("worst", 0.0)
    assert judging_rule.in_words(None) == (
        "A machine must be shown to be closer than the worst reader, and less than 0.05 worse than the regressor in "
        "service."
    )


def test_before_reading_it_is_chosen_without_a_reason_and_logged(as_olga: Client, study: Study) -> None:
    answer = as_olga.post(PAGE, MEDIAN, follow=True)
    assert "less than 0.05 grades of RMSE farther off than the median reader" in answer.content.decode()
    assert run_report.rule_of(study) == Rule("median", 0.05)
    assert AuditEvent.objects.filter(study=study, action="set the judging rule").count() == 1
    grade_everything(study)
    report = run_report.of(finish_run(study))
    assert report is not None
    assert report.against is not None
    assert (report.against.rule, report.rule_note) == (Rule("median", 0.05), "")


def test_once_somebody_has_graded_it_takes_a_reason_that_reports_quote(as_olga: Client, study: Study) -> None:
    grade_everything(study)
    refused = as_olga.post(PAGE, MEDIAN)
    assert refused.status_code == 422
    assert "Say why the rule changes now" in refused.content.decode()
    assert not JudgingRule.objects.exists()
    reason = "One reader has left."
    assert reason in as_olga.post(PAGE, MEDIAN | {"reason": reason}, follow=True).content.decode()
    event = AuditEvent.objects.get(action="changed the judging rule late")
    assert (event.reason, event.user) == (reason, User.objects.get(username="olga"))
    report = run_report.of(finish_run(study))
    assert report is not None
    assert report.rule_note.endswith(f"after reading had begun: {reason}")
    assert report.rule_note in as_olga.get(reverse("training:report", args=["acne"])).content.decode()


@pytest.mark.parametrize(
    "changed",
    [
        {"against": "best"},
        {"margin": "-0.1"},
        {"margin": "1.1"},
        {"margin": "nan"},
        {"margin": ""},
        {"active_margin": "0"},
        {"reason": "no"},
    ],
    ids=str,
)
def test_a_rule_that_is_none_is_refused_with_a_sentence(as_olga: Client, study: Study, changed: dict[str, str]) -> None:
    answer = as_olga.post(PAGE, MEDIAN | changed)
    assert answer.status_code == 422
    assert b"errorlist" in answer.content
    assert not JudgingRule.objects.exists()


@pytest.mark.parametrize(("against", "margin"), [("best", 0.0), ("worst", -0.1), ("worst", float("nan"))])
def test_code_is_refused_too(study: Study, against: str, margin: float) -> None:
    with pytest.raises(RuleError):
        judging_rule.set_rule(study=study, against=against, margin=margin, by=None)


def test_the_database_takes_no_late_rule_without_a_reason(study: Study) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        JudgingRule.objects.create(study=study, margin=0.0, active_margin=0.05, after_reading=True)

"""Readers who stand out hold publishing back until somebody has decided of them."""

import numpy as np
import pytest
from django.test import Client

from labeler.models import AuditEvent, Study, User
from tests import builders
from tests.training.builders import finish_run, give_grade
from training.models import ReaderDecision, TrainingRun
from training.publication import reader_decisions
from training.reports import reader_numbers, run_report
from training.reports.contents import RunReport

PAGE = "/studies/acne/report/"


@pytest.fixture
def study(ana: User, ben: User, olga: User) -> Study:
    """Return a study of 40 golden images whose first reader, of three, always says Mild."""
    study = builders.make_study(readers=(ana, ben, builders.make_user("dora")), images=60, golden_size=40)
    study.admins.add(olga)
    random = np.random.default_rng(5)
    severity = dict(zip(study.images.values_list("pk", flat=True), random.uniform(1, 5, 60), strict=True))
    for reader in study.readers.order_by("code"):
        for assignment in reader.assignments.select_related("image", "reader"):
            seen = severity[assignment.image_id] + random.normal(0, 0.4)
            give_grade(assignment, 3 if reader.code == "R01" else int(np.clip(round(seen), 1, 5)))
    return study


def report_of(run: TrainingRun) -> RunReport:
    report = run_report.of(run)
    assert report is not None
    return report


def condition(report: RunReport) -> bool:
    return next(one.passes for one in report.gate if one.name == "careless")


def test_publishing_waits_for_a_decision_with_a_logged_reason(as_olga: Client, study: Study) -> None:
    waits = report_of(finish_run(study, error=0.3))
    assert {flag.reader for flag in waits.flags} == {"R01"}
    assert not condition(waits)
    assert not waits.passes
    assert "Publishing waits until somebody decides whether R01 sets a bar." in waits.conclusion
    assert waits.against_without_flagged is not None
    assert waits.against_without_flagged.readers == 2
    shown = as_olga.get(PAGE).content.decode()
    assert "R01 gave 40 of 40 golden images the grade 3" in shown
    assert "were those who stand out not there" in shown

    nothing = as_olga.post(f"{PAGE}readers/R01/decide/", {"counts": "no", "reason": "no"}, follow=True)
    assert "say why" in nothing.content.decode()
    assert not ReaderDecision.objects.exists()
    reason = "Said on the telephone that they had not looked."
    decided = as_olga.post(f"{PAGE}readers/R01/decide/", {"counts": "no", "reason": reason}, follow=True)
    assert f"R01 sets no bar, on {reader_decisions.standing(study)[0].on}: {reason}" in " ".join(
        decided.content.decode().split()
    )
    event = AuditEvent.objects.get(action="let a reader set no bar")
    assert (event.reason, event.detail.split(":")[0]) == (reason, "R01")

    goes_on = report_of(finish_run(study, error=0.3))
    assert condition(goes_on)
    assert goes_on.left_out_readers == ("R01",)
    assert goes_on.against is not None
    assert (goes_on.against.readers, goes_on.against.look) == (2, 2)
    assert [row.counts_for_bar for row in goes_on.readers] == [False, True, True]
    assert goes_on.bar is not None
    assert goes_on.bar.reader != "R01"


def test_who_is_decided_to_count_sets_the_bar_again(study: Study, olga: User) -> None:
    reader = study.readers.get(code="R01")
    for counts in (False, True):
        flags = reader_numbers.of(study).flags
        reader_decisions.decide(reader=reader, counts=counts, flags=flags, reason="We asked them.", by=olga)
    report = report_of(finish_run(study, error=0.3))
    assert condition(report)
    assert report.bar is not None
    assert report.bar.reader == "R01"
    assert [row.counts_for_bar for row in reader_numbers.of(study).readers] == [True, True, True]

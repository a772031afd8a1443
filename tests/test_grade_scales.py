"""A study with another scale than the published one, from dealing to its export."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from labeler.grading import consensus, label_store
from labeler.models import User
from labeler.studies import studies
from scoring.photograph.decoding import Selfie
from scoring.regressor import pipeline, regressors
from scoring.regressor.score_scale import Scale
from tests import builders
from tests.training.builders import photographed_study, retrain_without_ms2019
from tests.training.export.test_study_zip import assert_identical, rows, unzipped


@pytest.mark.parametrize("grades", [(1, 2, 3, 4, 5, 6, 7), (1, 2, 4)], ids=["seven grades", "three with a gap"])
def test_a_study_goes_from_dealing_to_its_export_on_its_own_scale(
    grades: tuple[int, ...], as_ana: Client, as_olga: Client, ana: User, ben: User, olga: User, tmp_path: Path
) -> None:
    study = photographed_study((ana, ben), tmp_path / "photographs", images=24, golden_size=8, grades=grades)
    study.admins.add(olga)
    assert studies.scale(study) == Scale(grades)

    # Grading: a button for each grade, and no other grade is taken.
    last = builders.reader_of(ana, study).assignments.latest("position")
    label_store.undo(assignment=last, version=last.version, submission=uuid4())
    page = as_ana.get(reverse("grade", args=["acne"])).content.decode()
    assert [int(value) for value in re.findall(r'name="grade" value="(\d+)"', page)] == list(grades)
    last.refresh_from_db()
    label = reverse("label", args=["acne", last.public_id])
    beyond = min(set(range(1, 10)) - set(grades))
    for grade, status in ((beyond, 422), (grades[-1], 200)):
        act = {"submission": uuid4(), "version": last.version, "grade": grade}
        assert as_ana.post(label, act, headers={"Accept": "application/json"}).status_code == status

    # Statistics, and a fit.
    run = retrain_without_ms2019(study)
    assert run.report is not None
    assert run.regressor is not None
    machine = run.report["machine"]
    assert [level["value"] for level in machine["levels"]] == list(grades)
    assert (len(machine["confusion"]), sum(map(sum, machine["confusion"]))) == (len(grades), 8)
    assert len(machine["recall"]) == len(grades)

    # The consensus of the labels is that of the report.
    of_labels = [said.mean for said in consensus.golden_consensus(study)]
    assert sorted(of_labels) == pytest.approx(sorted(point["consensus"] for point in run.report["points"]))

    # A score.
    fitted = regressors.load(run.regressor)
    assert fitted.scale == Scale(grades)
    said = pipeline.score_image(Selfie.of(builders.make_jpeg(99)), fitted)
    assert said.grade in grades
    assert said.interval is not None
    assert grades[0] <= said.interval[0] <= said.interval[1] <= grades[-1]

    # The report and the export, whose script computes each number anew.
    report = as_olga.get(reverse("training:report", args=["acne"])).content.decode()
    assert all(f"Level {grade}" in report for grade in grades)
    folder = unzipped(study, tmp_path / "export")
    assert_identical(folder)
    assert [int(row["value"]) for row in rows(folder, "grade_scale")] == list(grades)
    printed = json.loads((folder / "report.json").read_text())
    assert {len(reader["confusion"]) for reader in printed["readers"]} == {len(grades)}

"""The published JSON schemas: those of the code, and kept by a real report and a real score."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pydantic import ValidationError

from labeler.models import Study
from labeler.platform import typed_json
from scoring.photograph.decoding import Selfie
from scoring.regressor import pipeline
from scoring.service.score_json import SelfieScoreOut
from tests.scoring.builders import make_fitted
from tests.training.builders import finish_run, grade_everything
from training.models import TrainingRun
from training.reports import run_report, study_report
from training.reports.contents import RunReport

FOLDER = Path(__file__).resolve().parent.parent / "docs/schemas"


def check(name: str, document: object) -> None:
    """Hold a document against a published schema, with every key of it known."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
    for part in (schema, *schema["$defs"].values()):
        if part.get("type") == "object" and "properties" in part:
            part["additionalProperties"] = False
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.fixture
def run(study: Study) -> TrainingRun:
    grade_everything(study)
    return finish_run(study)


@pytest.mark.parametrize("name", ["report", "score"])
def test_the_published_schemas_are_those_of_the_code(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("json_schema", name)
    place = FOLDER / f"{name}.schema.json"
    assert place.read_text() == capsys.readouterr().out, f"Write it anew: manage.py json_schema {name} > {place}"


def test_a_report_with_a_machine_keeps_its_schema(as_olga: Client, run: TrainingRun) -> None:
    report = json.loads(as_olga.get(reverse("training:report_json", args=[run.study.slug])).content)
    assert report["machine_run"]["run"] == run.pk
    check("report", report)


def test_a_report_without_a_machine_keeps_its_schema(as_olga: Client, study: Study) -> None:
    check("report", json.loads(as_olga.get(reverse("training:report_json", args=[study.slug])).content))


def test_a_score_keeps_its_schema(selfie_bytes: bytes) -> None:
    result = pipeline.score_image(Selfie.of(selfie_bytes), replace(make_fitted(), id=7))
    check("score", SelfieScoreOut.of(result).model_dump(mode="json"))


def test_a_report_comes_back_from_its_row_as_it_was(run: TrainingRun) -> None:
    report = run_report.of(TrainingRun.objects.get(pk=run.pk))
    assert report is not None
    assert typed_json.load(RunReport, typed_json.dump(report)) == report
    assert study_report.current(run.study).machine_run == report


def test_a_row_whose_report_was_changed_by_hand_is_refused(run: TrainingRun) -> None:
    assert run.report is not None
    del run.report["machine"]["golden_rmse"]
    run.report["bar"] = "low"
    with pytest.raises(ValidationError, match=r"(?s)bar.*machine\.golden_rmse|machine\.golden_rmse.*bar"):
        run_report.of(run)

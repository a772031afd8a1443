"""What the report's addresses answer to each kind of user."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeler.models import Reader, Study, User
from scoring.platform import jobs
from tests.training.builders import give_grade, grade_everything
from training.models import TrainingRun
from training.runs import retrain

PAGES = ["training:report", "training:report_json"]


@pytest.fixture
def graded(study: Study) -> Study:
    grade_everything(study)
    return study


@pytest.fixture
def run(study: Study) -> TrainingRun:
    return retrain.request(study=study)


def numbers(client: Client) -> dict[str, Any]:
    report = json.loads(client.get(reverse("training:report_json", args=["acne"])).content)
    assert isinstance(report, dict)
    return report


@pytest.mark.parametrize("page", PAGES)
def test_the_person_who_runs_the_study_sees_its_report(as_olga: Client, graded: Study, page: str) -> None:
    assert as_olga.get(reverse(page, args=["acne"])).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_readers_and_strangers_see_no_report(as_ana: Client, as_cleo: Client, study: Study, page: str) -> None:
    for client in (as_ana, as_cleo):
        assert client.get(reverse(page, args=["acne"])).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_nobody_in_particular_is_sent_to_sign_in(client: Client, study: Study, page: str) -> None:
    answer = client.get(reverse(page, args=["acne"]))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("page", ["training:run", "training:run_state"])
def test_a_run_belongs_to_its_study(
    as_olga: Client, as_ana: Client, as_cleo: Client, run: TrainingRun, page: str
) -> None:
    address = reverse(page, args=["acne", run.pk])
    assert as_olga.get(address).status_code == 200
    assert [other.get(address).status_code for other in (as_ana, as_cleo)] == [404, 404]
    assert Client().get(address).status_code == 302
    assert as_olga.get(reverse(page, args=["acne", run.pk + 1])).status_code == 404


def test_only_who_runs_the_study_retrains_it(as_olga: Client, as_ana: Client, as_cleo: Client, study: Study) -> None:
    address = reverse("training:retrain", args=["acne"])
    assert [other.post(address).status_code for other in (as_ana, as_cleo)] == [404, 404]
    assert Client().post(address).status_code == 302
    assert as_olga.get(address).status_code == 405
    assert not TrainingRun.objects.exists()


def test_the_button_queues_a_run_and_shows_it(as_olga: Client, study: Study, olga: User) -> None:
    answer = as_olga.post(reverse("training:retrain", args=["acne"]))
    run = TrainingRun.objects.get()
    assert run.requested_by == olga
    assert answer.status_code == 302
    assert answer["Location"] == reverse("training:run", args=["acne", run.pk])
    assert b"Waiting for a worker" in as_olga.get(answer["Location"]).content


def test_a_second_click_shows_the_same_run(as_olga: Client, study: Study) -> None:
    first, second = (as_olga.post(reverse("training:retrain", args=["acne"]))["Location"] for _ in range(2))
    assert first == second


def test_a_running_run_says_what_it_does(as_olga: Client, run: TrainingRun) -> None:
    claim = jobs.claim(TrainingRun, run.pk)
    assert claim is not None
    jobs.tell(claim, "Embedding: image 3 of 40")
    page = as_olga.get(reverse("training:run_state", args=["acne", run.pk]))
    assert b"Embedding: image 3 of 40" in page.content


def test_a_failed_run_says_why(as_olga: Client, run: TrainingRun) -> None:
    with pytest.raises(jobs.JobError):
        retrain.retrain(jobs.claim(TrainingRun, run.pk) or run)
    page = as_olga.get(reverse("training:run", args=["acne", run.pk]))
    assert b"No golden image has a grade yet" in page.content


def test_before_any_run_the_readers_are_there(as_olga: Client, graded: Study) -> None:
    report = numbers(as_olga)
    assert [row["code"] for row in report["readers"]] == ["R01", "R02"]
    assert [row["rmse"]["n"] for row in report["readers"]] == [3, 3]
    assert report["bar"]["value"] == max(row["rmse"]["value"] for row in report["readers"])
    assert report["machine_run"] is None


def test_a_reader_sees_their_own_grades_at_once(as_olga: Client, graded: Study) -> None:
    """Two readers who differ by d on an image both stand d / 2 from its consensus."""
    for reader, grade in zip(graded.readers.order_by("code"), (2, 5), strict=True):
        for assignment in reader.assignments.filter(image__is_golden=True):
            give_grade(assignment, grade)
    assert [row["rmse"]["value"] for row in numbers(as_olga)["readers"]] == [1.5, 1.5]
    assert [row["rmse_leave_one_out"]["value"] for row in numbers(as_olga)["readers"]] == [3, 3]


def test_who_has_just_begun_does_not_set_the_bar(as_olga: Client, graded: Study) -> None:
    beginner = graded.readers.get(code="R02")
    wild, *others = beginner.assignments.filter(image__is_golden=True)
    for assignment in others:
        give_grade(assignment)
    give_grade(wild, 5)
    report = numbers(as_olga)
    assert [row["counts_for_bar"] for row in report["readers"]] == [True, False]
    assert report["bar"] is None  # one reader alone has nobody to be held against
    assert report["enough"]["images"] == 0
    assert [row["rmse"]["value"] for row in report["readers"]] == [None, None]
    assert "Fewer than 2 readers" in report["enough"]["sentence"]


def test_a_study_that_nobody_graded_has_reasons_for_its_numbers(as_olga: Client, study: Study) -> None:
    report = numbers(as_olga)
    assert report["bar"] is None
    assert all(row["rmse"]["value"] is None and row["rmse"]["reason"] for row in report["readers"])
    assert b"none:" in as_olga.get(reverse("training:report", args=["acne"])).content


def test_simulated_readers_are_marked(as_olga: Client, graded: Study) -> None:
    page = reverse("training:report", args=["acne"])
    assert b"SIMULATED: " not in as_olga.get(page).content
    Reader.objects.filter(code="R02").update(is_simulated=True)
    assert b"SIMULATED: " in as_olga.get(page).content
    assert numbers(as_olga)["is_simulated"] is True


def test_the_report_takes_few_queries(
    as_olga: Client, graded: Study, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for most in (28, 18):  # what the labels say is computed at the first look, and remembered; that look is logged
        with django_assert_max_num_queries(most):
            as_olga.get(reverse("training:report", args=["acne"]))


def test_the_command_prints_the_pages_numbers(
    as_olga: Client, graded: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("report", "acne", "--json")
    assert json.loads(capsys.readouterr().out) == numbers(as_olga)


def test_the_command_prints_a_line_per_reader(graded: Study, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("report", "acne")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["R01", "R02"]
    assert lines[-1] == "No regressor yet: manage.py retrain acne"

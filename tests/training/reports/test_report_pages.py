"""The report's charts as files, the printed report, and what a reader gets to see of themself."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeler.accounts import unblinding
from labeler.dealing import joining_and_leaving
from labeler.models import AuditEvent, Study, User
from labeler.studies import closing
from tests import builders
from tests.builders import reader_of
from tests.training.builders import finish_run, give_grade, grade_everything
from training.models import TrainingRun
from training.reports import figures, reader_numbers, run_report, study_report
from training.verdicts import against_readers
from training.verdicts.against_readers import Rule


@pytest.fixture
def graded(study: Study) -> Study:
    grade_everything(study)
    return study


@pytest.fixture
def run(graded: Study) -> TrainingRun:
    return finish_run(graded, published=True)


@pytest.fixture
def closed(graded: Study, olga: User) -> Study:
    return closing.close(study=graded, by=olga, reason="Everybody is done.")


@pytest.fixture
def released(closed: Study, olga: User) -> Study:
    return closing.release_reports(study=closed, by=olga)


def page(client: Client, name: str, *arguments: str) -> str:
    answer = client.get(reverse(f"training:{name}", args=["acne", *arguments]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_each_charts_table_is_a_file_with_the_commands_numbers(
    as_olga: Client, run: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("report", "acne", "--json")
    report = json.loads(capsys.readouterr().out)
    answer = as_olga.get(reverse("training:chart_csv", args=["acne", "errors"]))
    assert answer["Content-Type"] == "text/csv"
    assert answer["Content-Disposition"] == 'attachment; filename="acne-errors.csv"'
    rows = {row["who"]: row for row in csv.DictReader(io.StringIO(answer.content.decode()))}
    for reader in report["readers"]:
        assert float(rows[reader["code"]]["value"]) == reader["rmse"]["value"]
    assert float(rows["machine"]["value"]) == report["machine_run"]["machine"]["golden_rmse"]["value"]


def test_what_a_spreadsheet_would_run_is_defused(as_olga: Client, graded: Study) -> None:
    for place, image in enumerate(graded.images.filter(is_golden=True)):
        graded.images.filter(pk=image.pk).update(metadata={"=HYPERLINK(1)": f"=1+{place % 2}"})
    table = as_olga.get(reverse("training:chart_csv", args=["acne", "subgroups"])).content.decode()
    rows = list(csv.reader(io.StringIO(table)))[1:]
    assert ["'=HYPERLINK(1)", "'=1+0"] in [row[:2] for row in rows]


def test_a_chart_is_a_file_that_stands_alone(as_olga: Client, run: TrainingRun) -> None:
    answer = as_olga.get(reverse("training:chart_svg", args=["acne", "errors"]))
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer.content.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')


@pytest.mark.parametrize("name", ["nothing", "confusion-R09", "nothing-R01"])
def test_a_chart_that_is_not_there_is_not_found(as_olga: Client, graded: Study, name: str) -> None:
    for page in ("training:chart_csv", "training:chart_svg"):
        assert as_olga.get(reverse(page, args=["acne", name])).status_code == 404


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_no_score_of_a_golden_image_is_shown_before_unblinding(as_olga: Client, run: TrainingRun, role: str) -> None:
    """An admin can score every image: whoever also sees the golden images' scores knows them."""
    browser = as_olga
    if role == "auditor":
        browser = builders.sign_in(Client(), User.objects.create_user(username="audi", roles=["auditor"]))
    assert json.loads(page(browser, "report_json"))["machine_run"]["points"] == []
    for name in ("report", "printed"):
        shown = page(browser, name)
        assert [shown.count(f'id="{chart}"') for chart in ("scatter", "differences")] == [1, 1]
        assert shown.count("Each point is a golden image") == 2
    for name in ("scatter", "differences"):
        assert page(browser, "chart_csv", name).strip().count("\n") == 0
        assert browser.get(reverse("training:chart_svg", args=["acne", name])).status_code == 404


def test_points_open_images_for_the_unblinded_only(as_olga: Client, run: TrainingRun, olga: User) -> None:
    golden = [
        f"/studies/acne/images/{pk}/" for pk in run.study.images.filter(is_golden=True).values_list("pk", flat=True)
    ]
    blind = page(as_olga, "report")
    assert not [address for address in golden if address in blind]
    session = as_olga.session
    unblinding.unblind(study=run.study, user=olga, session=session, reason="To look at outliers.")
    session.save()
    seeing = page(as_olga, "report")
    assert [address for address in golden if f'href="{address}"' in seeing] == golden
    assert json.loads(page(as_olga, "report_json"))["machine_run"]["points"] == (run.report or {})["points"]
    assert "Each point is a golden image" not in seeing
    assert page(as_olga, "chart_csv", "scatter").strip().count("\n") == len(golden)
    # A file and paper are passed on: no address of a golden image is in them.
    picture = as_olga.get(reverse("training:chart_svg", args=["acne", "scatter"])).content.decode()
    printed = page(as_olga, "printed")
    assert not [address for address in golden if address in picture or address in printed]


def test_points_lead_to_the_images_they_are_of(run: TrainingRun) -> None:
    places = figures.places(run.study)
    report = run.report or {}
    scored = {f"/studies/acne/images/{score.image_id}/": score.value for score in run.scores.filter(fit=0)}
    assert [scored[place.address] for place in places] == [point["score"] for point in report["points"]]


def test_where_an_image_is_gone_points_lead_nowhere(run: TrainingRun) -> None:
    run.scores.filter(fit=0).first().delete()  # type: ignore[union-attr]
    assert figures.places(run.study) == ()


def test_the_report_says_than_how_many_readers_the_machine_is_better(as_olga: Client, run: TrainingRun) -> None:
    better = study_report.current(run.study).better_than
    assert better is not None
    assert better.of == 2
    assert better.sentence in page(as_olga, "report")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (0.2, "than 4 of 4 readers are; established is that for 4 of them."),
        (0.55, "than 2 of 4 readers are; established is that for 0 of them."),
        (2.0, "than 0 of 4 readers are. It is established to be farther off than 4."),
    ],
)
def test_better_than_counts_what_is_established(run: TrainingRun, error: float, said: str) -> None:
    random = np.random.default_rng(3)
    truth = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], 20)
    grades = truth + random.normal(0, 0.6, (4, 100))
    scores = truth + random.normal(0, error, 100)
    codes = ["R01", "R02", "R03", "R04"]
    report = run_report.of(run)
    assert report is not None
    found = against_readers.compare(scores, grades, codes, rule=Rule())
    assert said in study_report.better_than(replace(report, against=found)).sentence


def test_a_report_of_before_verdicts_still_opens_and_claims_nothing(as_olga: Client, run: TrainingRun) -> None:
    """Runs that are stored keep the report that they were made with."""
    assert run.report is not None
    for key in ("against", "against_without_flagged", "enough", "flags", "left_out_readers", "rule_note"):
        del run.report[key]
    run.save(update_fields=["report"])
    better = study_report.current(run.study).better_than
    assert better is not None
    assert (better.of, better.surely_closer_than, better.surely_farther_than) == (2, 0, 0)
    assert "judged by an earlier rule" in page(as_olga, "report")


def test_the_same_labels_are_computed_once(
    graded: Study, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    first = reader_numbers.of(graded)
    with django_assert_max_num_queries(7) as asked:
        assert reader_numbers.of(graded) == first
    assert not [query for query in asked.captured_queries if "labeled_at" in query["sql"]]


def test_another_label_or_another_fact_is_computed_anew(graded: Study) -> None:
    before = reader_numbers.of(graded)
    golden = graded.images.filter(is_golden=True).first()
    assert golden is not None
    assignment = golden.assignments.select_related("reader").first()
    assert assignment is not None
    give_grade(assignment)
    assert reader_numbers.of(graded).readers != before.readers
    graded.images.filter(is_golden=True).update(metadata={"view": "left"})
    graded.images.filter(pk=golden.pk).update(metadata={"view": "right"})
    assert {group.value for group in reader_numbers.of(graded).subgroups} == {"left", "right"}


def test_what_takes_long_is_shown_late_and_computed_in_the_background(
    as_olga: Client, graded: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_numbers, "LONG", 0.0)
    before = reader_numbers.of(graded)
    assert "as of" not in page(as_olga, "report")
    golden = graded.images.filter(is_golden=True).first()
    assert golden is not None
    give_grade(golden.assignments.earliest("pk"))
    late = reader_numbers.of(graded, may_be_late=True)
    assert late.readers == before.readers
    assert late.counted_at
    assert "The readers' numbers are as of" in page(as_olga, "report")
    assert reader_numbers.refresh(graded)
    now = reader_numbers.of(graded, may_be_late=True)
    assert now.readers != before.readers
    assert now.counted_at is None
    assert not reader_numbers.refresh(graded)


def test_who_computes_in_no_time_is_never_late(graded: Study) -> None:
    before = reader_numbers.of(graded)
    golden = graded.images.filter(is_golden=True).first()
    assert golden is not None
    give_grade(golden.assignments.earliest("pk"))
    assert reader_numbers.of(graded, may_be_late=True).readers != before.readers
    assert not reader_numbers.refresh(graded)


def test_late_numbers_are_not_shown_without_a_reader_who_came_since(
    graded: Study, cleo: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_numbers, "LONG", 0.0)
    before = reader_numbers.of(graded)
    joining_and_leaving.join(study=graded, user=cleo)
    assert len(reader_numbers.of(graded, may_be_late=True).readers) == len(before.readers) + 1


def test_the_printed_report_has_the_checklist_and_what_is_not_recorded(as_olga: Client, run: TrainingRun) -> None:
    printed = page(as_olga, "printed")
    for said in (
        "ethics approval",
        "not recorded",
        "STARD-AI",
        "a verdict needs 20",
        'data-figure="errors"',
        "Noise ceiling",
    ):
        assert said in printed


def test_before_any_run_the_printed_report_says_so(as_olga: Client, graded: Study) -> None:
    assert "No regressor has been fitted yet." in page(as_olga, "printed")


def test_every_definition_that_pages_lead_to_is_there(as_olga: Client, run: TrainingRun) -> None:
    definitions = as_olga.get(reverse("training:definitions")).content.decode()
    pages = [page(as_olga, "report"), page(as_olga, "printed"), page(as_olga, "reader", "R01")]
    leads = {part.split('"')[0] for text in pages for part in text.split(f"{reverse('training:definitions')}#")[1:]}
    assert {"reader-rmse", "drift", "calibration"} <= leads
    assert [anchor for anchor in leads if f'id="{anchor}"' not in definitions] == []


def test_whoever_runs_the_study_sees_a_readers_numbers_but_not_what_is_golden(as_olga: Client, graded: Study) -> None:
    shown = page(as_olga, "reader", "R01")
    assert "What R01 calls what" in shown
    assert "/picture/" not in shown
    assert as_olga.get(reverse("training:reader", args=["acne", "R09"])).status_code == 404


def test_a_reader_sees_nothing_before_release(as_ana: Client, closed: Study) -> None:
    address = reverse("training:own_report", args=["acne"])
    assert as_ana.get(address).status_code == 404
    assert address not in as_ana.get(reverse("home")).content.decode()


def test_after_release_a_reader_sees_their_own_report(
    as_ana: Client, as_cleo: Client, released: Study, ana: User
) -> None:
    address = reverse("training:own_report", args=["acne"])
    own, other = reader_of(ana, released), released.readers.exclude(user=ana).get()
    shown = as_ana.get(address).content.decode()
    assert f"What {own.code} calls what" in shown
    assert other.code not in shown
    assert address in as_ana.get(reverse("home")).content.decode()
    assert as_cleo.get(address).status_code == 404


def test_only_a_closed_study_is_released_and_once(as_olga: Client, graded: Study, olga: User) -> None:
    address = reverse("training:release", args=["acne"])
    as_olga.post(address)
    graded.refresh_from_db()
    assert graded.reports_released_at is None
    closing.close(study=graded, by=olga, reason="Everybody is done.")
    assert b"Give each reader their own report" in as_olga.get(reverse("training:report", args=["acne"])).content
    for _ in range(2):
        as_olga.post(address)
    event = AuditEvent.objects.get(study=graded, action="released the readers' reports")
    assert event.user == olga


def test_with_one_other_reader_nobody_is_told_what_that_one_said(as_ana: Client, released: Study) -> None:
    assert "no image do three readers" in as_ana.get(reverse("training:own_report", args=["acne"])).content.decode()

"""The report's charts as files, the printed report, and what a reader gets to see of themself."""

import csv
import io
import json

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
from training.reports import figures, reader_numbers, study_report
from training.reports.contents import ComparedReader
from training.statistics.intervals import Estimate
from training.statistics.metrics import Comparison


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
    ("intervals", "said"),
    [
        ([], "No reader can be compared with the machine yet."),
        ([(-0.2, -0.3, -0.1), (-0.1, -0.2, 0.1)], "than 2 of 2 readers are; for 1 of them the interval leaves out 0"),
        ([(-0.1, -0.2, 0.1), (0.2, 0.1, 0.3)], "farther off than 1."),
        ([(-0.1, None, None)], "for none of them is that established"),
        ([(0.0, 0.0, 0.0)], "than 0 of 1 readers are."),
    ],
)
def test_better_than_counts_what_is_established(
    intervals: list[tuple[float, float | None, float | None]], said: str
) -> None:
    compared = [Comparison(*interval, n=20, machine_better=0.5) for interval in intervals]
    compared.append(Comparison(None, None, None, n=0, machine_better=None))  # of a reader who graded nothing
    rmse = Estimate(0.4, None, None, 20)
    readers = [ComparedReader("R01", False, rmse, True, rmse, one) for one in compared]  # noqa: FBT003
    assert said in study_report.better_than(readers).sentence


def test_the_same_labels_are_computed_once(
    graded: Study, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    first = reader_numbers.of(graded)
    with django_assert_max_num_queries(6) as asked:
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
        "the interval contains the bar",
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

"""What a design would tell: the formulas against the report's own bootstrap, the page and the command."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from labeler.models import Study, User
from labeler.platform import typed_json
from training.statistics import metrics, planning
from training.statistics.intervals import Estimate, Floats
from training.statistics.planning import Design
from training.verdicts import against_readers
from training.verdicts.against_readers import Rule

PANELS = 12  # studies simulated in full, to hold the formulas against
PAGE = "training:plan"


def width(estimate: Estimate) -> float:
    return np.nan if estimate.low is None or estimate.high is None else estimate.high - estimate.low


def over_readers(readings: planning.Readings, measure: Callable[[Floats, Floats, int], Estimate]) -> float:
    """Return the mean width of an interval that the report would print, over all readers of all studies."""
    studies = list(zip(readings.first, readings.scores, strict=True))
    widths = [width(measure(grades, scores, who)) for grades, scores in studies for who in range(len(grades))]
    return float(np.nanmean(widths))


def repeat_sd(readings: planning.Readings) -> float:
    """The definition of docs/science/statistics.md, its interval by bootstrap, for every reader of every study."""
    squares = ((readings.first - readings.second) ** 2 / 2).reshape(-1, readings.first.shape[-1])
    roots = [metrics.rmse(np.sqrt(row), np.zeros(len(row))) for row in squares]
    return float(np.mean([width(estimate) for estimate in roots]))


@pytest.mark.parametrize(
    "design",
    [Design(), Design(golden=80, noise=0.5), Design(readers=4, bias=0.4), Design(golden=120, machine=0.8)],
    ids=["as published", "few golden images", "few readers", "a bad machine"],
)
def test_the_widths_are_those_that_the_reports_bootstrap_gives(design: Design) -> None:
    expected = planning.plan(design).expected
    readings = planning.simulate(design, panels=PANELS, images=design.golden, seed=1)
    by_bootstrap = {
        "reader_rmse": over_readers(readings, lambda g, _, who: metrics.reader_rmse_leave_one_out(g, who)),
        "golden_rmse": over_readers(readings, lambda g, s, _: metrics.rmse(s, metrics.consensus(g))),
        "machine_minus_reader": over_readers(readings, lambda g, s, who: metrics.compare_with_reader(s, g, who)),
    }
    for name, found in by_bootstrap.items():
        assert getattr(expected, name).width == pytest.approx(found, rel=0.1), name


def test_the_width_of_self_consistency_is_the_bootstraps_too() -> None:
    design = Design(repeats=100)
    readings = planning.simulate(design, panels=PANELS, images=design.repeats, seed=1)
    assert planning.plan(design).expected.repeat_sd.width == pytest.approx(repeat_sd(readings), rel=0.1)


def test_the_defaults_are_the_published_study() -> None:
    """Its readers' RMSE, published form, were 0.388 to 0.517, 0.463 on average."""
    readings = planning.simulate(Design(), panels=20, images=1000, seed=1)
    errors = readings.first - readings.first.mean(axis=1, keepdims=True)
    assert float(np.sqrt((errors**2).mean(axis=2)).mean()) == pytest.approx(0.463, abs=0.02)


def test_four_times_the_images_halve_a_width() -> None:
    plan = planning.plan(Design(golden=200))
    widths = {size: row.reader_rmse.width for size, row in planning.plan(Design(golden=200)).by_golden}
    assert widths[200] == plan.expected.reader_rmse.width
    assert widths[50] == pytest.approx(2 * (widths[200] or 0))


# By statsmodels 0.15: NormalIndPower(ddof=0).solve_power(effect_size, alpha=..., power=..., ratio=0, alternative).
@pytest.mark.parametrize(
    ("deviation", "difference", "errs", "power", "images"),
    [
        (0.47452594, 0.05, 0.025, 0.8, 706.946),  # of which a half width of 0.05 is 346
        (1.0, 0.2, 0.025, 0.9, 262.685),
        (1.0, 0.2, 0.025, 0.8, 196.222),
        (1.0, 0.2, 0.025 / 11, 0.3489683630115129, 150.0),
    ],
)
def test_sizes_and_power_are_those_of_statsmodels(
    deviation: float, difference: float, errs: float, power: float, images: float
) -> None:
    assert planning.images_needed(deviation, difference, power=power, errs=errs) == pytest.approx(images, rel=1e-4)
    assert planning.power_with(images, deviation, difference, errs=errs) == pytest.approx(power, rel=1e-4)


def test_a_half_width_as_large_as_the_difference_is_a_power_of_one_half() -> None:
    plan = planning.plan(Design(power=0.5))
    width = planning.plan(Design(golden=plan.golden_to_compare)).expected.machine_minus_reader.width
    assert width == pytest.approx(2 * planning.WORTHWHILE, rel=0.01)
    more = planning.plan(Design()).golden_to_compare / plan.golden_to_compare
    assert more == pytest.approx(((planning.REACH + 0.8416) / planning.REACH) ** 2, rel=0.01)


@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_as_many_golden_images_as_it_asks_for_give_the_verdict_with_its_power(margin: float) -> None:
    design = Design(machine=0.35, margin=margin)
    golden = planning.plan(design).golden_for_verdict
    assert golden is not None
    assert planning.plan(replace(design, golden=golden)).power_of_verdict == pytest.approx(0.8, abs=0.01)
    readings = planning.simulate(design, panels=150, images=golden, seed=3)
    codes = [f"R{number:02d}" for number in range(design.readers)]
    given = [
        against_readers.compare(scores, grades, codes, rule=Rule(margin=margin)).passes
        for grades, scores in zip(readings.first, readings.scores, strict=True)
    ]
    assert 0.7 < np.mean(given) <= 0.95


def test_a_machine_that_is_farther_off_can_not_be_shown_to_be_closer() -> None:
    plan = planning.plan(Design(machine=1.5))
    assert plan.golden_for_verdict is None
    assert any("too often it is not so" in sentence for sentence in planning.in_words(plan))
    assert plan.power_of_verdict < 0.01


def test_who_stops_early_has_a_wider_interval() -> None:
    all_stay, some_stop = (planning.plan(Design(drop_out=share)).expected.reader_rmse for share in (0, 0.3))
    assert all_stay.wide is not None
    assert some_stop.wide is not None
    assert some_stop.wide > 1.3 * all_stay.wide
    assert some_stop.width == pytest.approx(all_stay.width, rel=0.15)


def test_two_readers_of_whom_most_stop_still_get_an_answer() -> None:
    plan = planning.plan(Design(readers=2, golden=10, repeats=0, drop_out=0.9))
    assert plan.expected.repeat_sd.width is None
    assert any("Without repeats" in sentence for sentence in planning.in_words(plan))
    json.dumps(typed_json.dump(plan), allow_nan=False)


def test_the_same_design_gives_the_same_plan() -> None:
    assert planning.plan(Design()) == planning.plan(Design())


@pytest.mark.parametrize(("name", "value"), [("readers", 1), ("golden", 9), ("noise", float("nan")), ("drop_out", 1)])
def test_an_impossible_design_says_what_is_possible(name: str, value: float) -> None:
    with pytest.raises(planning.DesignError, match=f"{name} must be from"):
        Design(**{name: value})  # type: ignore[arg-type]


def test_the_page_shows_the_plan_of_its_address(as_olga: Client, study: Study) -> None:
    answer = as_olga.get(reverse(PAGE), {"golden": "350", "readers": "6"})
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert "SIMULATED: no such study has taken place." in shown
    sentences = planning.in_words(planning.plan(Design(golden=350, readers=6)))
    assert all(sentence.replace("'", "&#x27;") in shown for sentence in sentences)


def test_without_an_address_the_page_shows_the_published_study(as_olga: Client, study: Study) -> None:
    assert b'name="golden" value="230"' in as_olga.get(reverse(PAGE)).content
    assert reverse(PAGE).encode() in as_olga.get(reverse("home")).content


@pytest.mark.parametrize("golden", ["9", "many", "", "1e9", "nan"])
def test_a_size_that_is_none_is_refused_with_a_sentence(as_olga: Client, study: Study, golden: str) -> None:
    answer = as_olga.get(reverse(PAGE), {"golden": golden})
    assert answer.status_code == 422
    assert b"errorlist" in answer.content
    assert b"data-chart" not in answer.content


def test_only_who_runs_studies_plans_them(as_ana: Client, as_cleo: Client, study: Study) -> None:
    assert [client.get(reverse(PAGE)).status_code for client in (as_ana, as_cleo)] == [404, 404]
    assert Client().get(reverse(PAGE))["Location"].startswith(reverse("account_login"))


def test_a_superuser_plans_before_there_is_a_study(client: Client, cleo: User) -> None:
    User.objects.filter(pk=cleo.pk).update(is_superuser=True)
    client.force_login(User.objects.get(pk=cleo.pk))
    assert client.get(reverse(PAGE)).status_code == 200


def say(*options: str) -> str:
    said = io.StringIO()
    call_command("plan_study", *options, stdout=said)
    return said.getvalue()


def test_the_command_says_the_pages_numbers() -> None:
    design = Design(readers=5, golden=100, drop_out=0.2)
    plan = planning.plan(design)
    options = ("--readers", "5", "--golden", "100", "--drop-out", "0.2")
    assert json.loads(say(*options, "--json")) == typed_json.dump(plan)
    said = say(*options)
    assert said.startswith("SIMULATED")
    assert all(sentence in said for sentence in planning.in_words(plan))


def test_the_command_refuses_with_the_limits() -> None:
    with pytest.raises(CommandError, match=r"--drop-out must be from 0 to 0\.9"):
        say("--drop-out", "1.0")


@pytest.mark.parametrize("grades", [2, 4, 7])
def test_a_plan_of_another_scale_has_grades_of_all_of_it_and_no_others(grades: int) -> None:
    design = Design(grades=grades)
    readings = planning.simulate(design, panels=2, images=2000, seed=1)
    assert set(np.unique(readings.first)) == set(range(1, grades + 1))
    assert (readings.scores.min(), readings.scores.max()) == (1, grades)
    assert planning.plan(design).expected.reader_rmse.width is not None


def test_the_page_plans_for_as_many_grades_as_it_is_asked_for(as_olga: Client, study: Study) -> None:
    shown = as_olga.get(reverse(PAGE), {"grades": "4"}).content.decode()
    assert "rounded to 1 to 4." in shown
    assert as_olga.get(reverse(PAGE), {"grades": "10"}).status_code == 422

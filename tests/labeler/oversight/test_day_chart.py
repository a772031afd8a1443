"""Labels per day: a bar for each, dates that don't run into each other, and a sentence where there is none."""

import itertools
from xml.etree import ElementTree as ET

import pytest

from labeler.oversight import day_chart

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("number", [1, 2, 30, 60])
def test_every_day_has_a_bar_and_today_its_date(number: int) -> None:
    days = [(f"{day} Nov 2026", 10 * day) for day in range(1, number + 1)]
    chart = day_chart.of_days(days)
    for picture in (chart.picture, chart.picture_for_phones):
        drawn = ET.fromstring(picture)  # noqa: S314  our own
        tips = [bar.findtext(f"{SVG}title") for bar in drawn.iter(f"{SVG}rect")]
        assert tips == [f"{day}: {labels} labels" for day, labels in days]
        dates = [text for text in drawn.iter(f"{SVG}text") if "Nov" in (text.text or "")]
        assert dates[-1].text == days[-1][0]
        places = [float(text.attrib["x"]) for text in dates]
        assert all(after - before > day_chart.DATE for before, after in itertools.pairwise(places))
        assert places[0] >= day_chart.DATE / 2
        assert places[-1] <= float(drawn.attrib["width"]) - day_chart.DATE / 2
    assert chart.sentence.startswith(f"{sum(labels for _, labels in days):,} labels in {number} day")


def test_before_the_first_label_a_sentence_says_so() -> None:
    chart = day_chart.of_days([])
    assert chart.wide is None
    assert chart.sentence == "No label is counted yet."

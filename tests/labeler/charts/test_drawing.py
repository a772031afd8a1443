"""Pictures are well-formed whatever stands in them, known to the style sheet, and have round numbers at their axes."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from labeler.charts import axes
from labeler.charts.axes import Frame, Scale
from labeler.charts.drawing import LOOKS, Drawing

SVG = "{http://www.w3.org/2000/svg}"


def test_names_from_outside_are_escaped() -> None:
    sheet = Drawing(100, 100)
    sheet.words("label", (1, 1), "<script>alert('1')</script>")
    with sheet.linked('/"><script>', "<b>"):
        sheet.dot("point", (1, 1), 2, tip="</title><script>")
    picture = sheet.svg(name="x", title="<i>", description="&")
    assert "<script" not in picture
    assert ET.fromstring(picture).find(f"{SVG}text") is not None  # noqa: S314  our own


def test_every_look_is_known_to_the_page_or_needs_no_other_colour_in_the_dark() -> None:
    sheet = Path("static/site/charts.css").read_text()
    assert [look for look in LOOKS if f".c-{look}" not in sheet] == []


@pytest.mark.parametrize(("low", "high"), [(0, 0.57), (0, 1e-3), (-2.2, 2.2), (1, 1), (0, 4700)])
def test_ticks_are_few_and_round_and_inside(low: float, high: float) -> None:
    ticks = Scale(low, high, 0, 100).ticks(6)
    assert len(ticks) <= 7
    assert all(low - 1e-9 <= tick <= max(high, low + 1) + 1e-9 for tick in ticks)


@pytest.mark.parametrize(("most", "said"), [(0, ["0", "1"]), (1, ["0", "1"]), (3, ["0", "1", "2", "3"])])
def test_an_axis_of_numbers_of_things_has_whole_numbers_only(most: int, said: list[str]) -> None:
    sheet = Drawing(100, 100)
    y = axes.counted_beside(sheet, Frame(20, 0, 100, 100), most)
    drawn = ET.fromstring(sheet.svg(name="x", title="", description=""))  # noqa: S314  our own
    assert [text.text for text in drawn.iter(f"{SVG}text")] == said
    assert y(0) == 100
    assert y(most) >= 0

"""A bar for each bin, as high as it has images, marked where limits drop it."""

from xml.etree import ElementTree as ET

import pytest

from labeler.charts import histogram
from labeler.charts.histogram import Bin

SVG = "{http://www.w3.org/2000/svg}"
HALVES = (Bin(0, 0.5, 3), Bin(0.5, 1, 0), Bin(1, 1.5, 6))
WHOLE = tuple(Bin(faces, faces + 1, faces) for faces in range(6))
Limits = tuple[float | None, float | None]


def looks(bins: tuple[Bin, ...], limits: Limits) -> list[str]:
    drawn = ET.fromstring(histogram.of_measure("sharpness", "Sharpness", bins, limits).picture)  # noqa: S314  our own
    return [bar.attrib["class"].removeprefix("c-") for bar in drawn.iter(f"{SVG}rect")]


def test_a_bar_is_as_high_as_its_bin_has_images() -> None:
    picture = histogram.of_measure("sharpness", "Sharpness", HALVES, (None, None)).picture
    bars = list(ET.fromstring(picture).iter(f"{SVG}rect"))  # noqa: S314  our own
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[1] == 0
    assert heights[2] == pytest.approx(2 * heights[0], abs=0.2)
    assert [bar.findtext(f"{SVG}title") for bar in bars][::2] == ["0 to 0.5: 3 images", "1 to 1.5: 6 images"]


@pytest.mark.parametrize(
    ("bins", "limits", "expected"),
    [
        (HALVES, (None, None), ["kept", "kept", "kept"]),
        (HALVES, (0.5, None), ["dropped", "kept", "kept"]),
        (HALVES, (None, 0.9), ["kept", "kept", "dropped"]),
        (WHOLE, (1, 2), ["dropped", "kept", "kept", "dropped", "dropped", "dropped"]),
    ],
)
def test_bars_outside_the_limits_are_marked(bins: tuple[Bin, ...], limits: Limits, expected: list[str]) -> None:
    assert looks(bins, limits) == expected


def test_a_whole_number_stands_under_its_bar() -> None:
    picture = histogram.of_measure("faces", "Faces", WHOLE, (None, None)).picture
    drawn = ET.fromstring(picture)  # noqa: S314  our own
    below = {
        text.text: float(text.attrib["x"])
        for text in drawn.iter(f"{SVG}text")
        if text.attrib["text-anchor"] == "middle"
    }
    for number, bar in enumerate(drawn.iter(f"{SVG}rect")):
        assert below[str(number)] == pytest.approx(float(bar.attrib["x"]) + float(bar.attrib["width"]) / 2, abs=0.2)
    assert WHOLE[1].in_words == "1: 1 image"

"""Drawing in SVG with a few kinds of marks.

Every mark has a look: written as presentation attributes, so that the file stands alone, and as a class, so that a
page's style sheet can put the colours of a dark screen in their place. There is no style attribute and no script.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape

FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif"
INK, SOFT, LINE, PAPER, ACCENT = "#1f2328", "#5a616b", "#dcd8d0", "#ffffff", "#0b5f66"
# Okabe and Ito's palette, told apart by colour-blind people. Never by colour alone: each has its own mark.
BLUE, VERMILLION, GREEN = "#0072b2", "#d55e00", "#00795a"  # the green is darkened, so that thin lines show

LOOKS: dict[str, dict[str, str]] = {
    "label": {"fill": INK, "font-size": "12"},
    "title": {"fill": INK, "font-size": "12", "font-weight": "600"},
    "soft": {"fill": SOFT, "font-size": "11"},
    "grid": {"stroke": LINE, "stroke-width": "1"},
    "axis": {"stroke": SOFT, "stroke-width": "1"},
    "frame": {"fill": "none", "stroke": LINE, "stroke-width": "1"},
    "reader": {"fill": BLUE, "stroke": BLUE, "stroke-width": "2"},
    "simulated": {"fill": PAPER, "stroke": BLUE, "stroke-width": "2"},
    "reader-line": {"fill": "none", "stroke": BLUE, "stroke-width": "1.6"},
    "reader-range": {"stroke": BLUE, "stroke-width": "5", "stroke-opacity": "0.25"},
    "machine": {"fill": VERMILLION, "stroke": VERMILLION, "stroke-width": "1"},
    "unpublished": {"fill": PAPER, "stroke": VERMILLION, "stroke-width": "2"},
    "machine-line": {"fill": "none", "stroke": VERMILLION, "stroke-width": "1.6"},
    "machine-bar": {"fill": VERMILLION, "fill-opacity": "0.45"},
    "machine-band": {"fill": VERMILLION, "fill-opacity": "0.14"},
    "reader-band": {"fill": BLUE, "fill-opacity": "0.12"},
    "reader-bar": {"fill": BLUE, "fill-opacity": "0.45"},
    "count": {"fill": ACCENT},
    "kept": {"fill": ACCENT, "stroke": ACCENT, "stroke-width": "1"},
    "dropped": {"fill": VERMILLION, "fill-opacity": "0.3", "stroke": VERMILLION, "stroke-width": "1"},
    "difference": {"fill": INK},
    "difference-line": {"fill": "none", "stroke": INK, "stroke-width": "1.6"},
    "point": {"fill": VERMILLION, "fill-opacity": "0.55", "stroke": PAPER, "stroke-width": "0.6"},
    "reader-point": {"fill": BLUE, "fill-opacity": "0.45", "stroke": PAPER, "stroke-width": "0.6"},
    "bar": {"stroke": INK, "stroke-width": "1.6", "stroke-dasharray": "6 4"},
    "bar-line": {"fill": "none", "stroke": INK, "stroke-width": "1.6", "stroke-dasharray": "6 4"},
    "ceiling": {"stroke": GREEN, "stroke-width": "2", "stroke-dasharray": "2 3"},
    "ceiling-label": {"fill": GREEN, "font-size": "11", "font-weight": "600"},
    "bar-label": {"fill": INK, "font-size": "11", "font-weight": "600"},
    "ideal": {"stroke": SOFT, "stroke-width": "1.2", "stroke-dasharray": "6 4"},
    "limit": {"fill": "none", "stroke": SOFT, "stroke-width": "1", "stroke-dasharray": "3 3"},
    "alarm": {"fill": "none", "stroke": VERMILLION, "stroke-width": "2.5"},
    "agree": {"fill": "none", "stroke": INK, "stroke-width": "1.5"},
    "on-pale": {"fill": INK},
    "on-dark": {"fill": PAPER},
}
SHADES = 10


DARK_FROM = 8  # shades: paler ones bear ink, these and darker ones bear paper


def _shade(step: int) -> str:
    """Return the blue of a share from `step` tenths on. It leaps where the words on it turn from ink to paper."""
    mixed = 0.06 + 0.095 * step if step < DARK_FROM else 0.94 + 0.06 * (step - DARK_FROM)
    return "#" + "".join(f"{round(255 + (part - 255) * mixed):02x}" for part in bytes.fromhex(BLUE[1:]))


LOOKS |= {f"shade-{step}": {"fill": _shade(step)} for step in range(SHADES)}


class Drawing:
    """Marks on a sheet of so many units, (0, 0) at the upper left."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.has_links = False
        self._marks: list[str] = []

    def line(self, look: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        self._mark("line", look, {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]})

    def path(self, look: str, points: Sequence[tuple[float, float]]) -> None:
        self._mark("polyline", look, {"points": " ".join(f"{_short(x)},{_short(y)}" for x, y in points)})

    def area(self, look: str, points: Sequence[tuple[float, float]], *, tip: str = "") -> None:
        self._mark("polygon", look, {"points": " ".join(f"{_short(x)},{_short(y)}" for x, y in points)}, tip=tip)

    def box(self, look: str, corner: tuple[float, float], size: tuple[float, float], *, tip: str = "") -> None:
        self._mark(
            "rect", look, {"x": corner[0], "y": corner[1], "width": max(size[0], 0), "height": max(size[1], 0)}, tip=tip
        )

    def dot(self, look: str, centre: tuple[float, float], radius: float, *, tip: str = "") -> None:
        self._mark("circle", look, {"cx": centre[0], "cy": centre[1], "r": radius}, tip=tip)

    def diamond(self, look: str, centre: tuple[float, float], radius: float, *, tip: str = "") -> None:
        x, y = centre
        self.area(look, [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], tip=tip)

    def triangle(self, look: str, centre: tuple[float, float], radius: float, *, tip: str = "") -> None:
        x, y = centre
        self.area(look, [(x, y - radius), (x + radius, y + radius * 0.8), (x - radius, y + radius * 0.8)], tip=tip)

    def words(
        self, look: str, at: tuple[float, float], words: str, *, anchor: str = "start", size: float = 0, turned: int = 0
    ) -> None:
        """Write one line: `at` is on its base line. `size` in units, `turned` in degrees."""
        more: dict[str, float | str] = {"x": at[0], "y": at[1], "text-anchor": anchor}
        if size:
            more["font-size"] = size
        if turned:
            more["transform"] = f"rotate({turned} {_short(at[0])} {_short(at[1])})"
        self._mark("text", look, more, inside=escape(words))

    @contextmanager
    def linked(self, address: str, label: str) -> Iterator[None]:
        """What is drawn inside leads to an address."""
        self.has_links = True
        self._marks.append(f'<a href="{escape(address)}" aria-label="{escape(label)}">')
        yield
        self._marks.append("</a>")

    def svg(self, *, name: str, title: str, description: str) -> str:
        """Return the picture; `name` tells its ids from those of other pictures on a page."""
        # With links inside it is no single image to who hears it.
        role = "group" if self.has_links else "img"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="{role}" '
            f'aria-labelledby="{name}-title {name}-words" viewBox="0 0 {_short(self.width)} {_short(self.height)}" '
            f'width="{_short(self.width)}" height="{_short(self.height)}" font-family="{escape(FONT)}">'
            f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-words">{escape(description)}</desc>'
            f"{''.join(self._marks)}</svg>"
        )

    def _mark(self, tag: str, look: str, geometry: dict[str, float | str], *, tip: str = "", inside: str = "") -> None:
        # Geometry last: a size that is said is meant, whatever the look has. An attribute may stand there only once.
        attributes: dict[str, float | str] = {"class": f"c-{look}", **LOOKS[look], **geometry}
        said = " ".join(f'{key}="{escape(_short(value))}"' for key, value in attributes.items())
        inside += f"<title>{escape(tip)}</title>" if tip else ""
        self._marks.append(f"<{tag} {said}>{inside}</{tag}>" if inside else f"<{tag} {said}/>")


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")

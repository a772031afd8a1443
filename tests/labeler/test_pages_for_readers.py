"""What holds for every template: Enter in a field gives no grade and destroys nothing; grades keep their names."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from tests.processes import REPOSITORY

TEMPLATES = REPOSITORY / "templates"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))
NO_ENTER = '{% include "labeler/platform/_no_enter.html" %}'
# Fields in which Enter presses the form's first button, and what Django writes where a form stands.
NOT_TEXT = {"hidden", "checkbox", "radio", "range", "file", "button", "submit", "reset", "color"}
A_FORM = re.compile(r"{{ *\w*form(\.\w+)*(\.as_\w+)? *}}")
READERS_PAGES = [name for name in NAMES if name.startswith("labeler/grading/")]


@dataclass
class Form:
    has_text: bool = False
    buttons: list[dict[str, str | None]] = field(default_factory=list)  # those that send it, in order


class Forms(HTMLParser):
    """Collects the forms of a template, whose tags stand for themselves."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False
        self.feed(A_FORM.sub('<input name="a field of a form">', text.replace(NO_ENTER, "<button disabled hidden>")))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.forms.append(Form())
            self._inside = True
        elif tag == "input" and self._inside and attributes.get("type", "text") not in NOT_TEXT:
            self.forms[-1].has_text = True
        elif tag == "button" and self._inside and attributes.get("type", "submit") == "submit":
            self.forms[-1].buttons.append(attributes)

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


def wrong_forms(text: str) -> list[Form]:
    """Return the forms in which Enter would press one of several buttons, or one that destroys."""

    def is_guarded(form: Form) -> bool:
        first = form.buttons[0]
        does_harm = "bad" in (first.get("class") or "").split() or first.get("name") in ("grade", "not_gradable")
        return "disabled" in first or not (does_harm or len(form.buttons) > 1)

    return [form for form in Forms(text).forms if form.has_text and form.buttons and not is_guarded(form)]


@pytest.mark.parametrize("name", NAMES)
def test_enter_in_a_field_presses_no_button_that_grades_or_destroys(name: str) -> None:
    assert wrong_forms((TEMPLATES / name).read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        '<form><button name="grade" value="1">Clear</button><input name="note"></form>',
        '<form><input><button name="not_gradable" value="blurred">Blurred</button></form>',
        '<form>{{ form }}<button class="bad">Erase</button></form>',
        "<form>{{ form.reason.as_field_group }}<button>One</button><button>Other</button></form>",
        '<form><input type="password"><button type="submit">One</button><button>Other</button></form>',
    ],
)
def test_such_a_form_is_found(text: str) -> None:
    assert len(wrong_forms(text)) == 1
    assert wrong_forms(text.replace("<form>", f"<form>{NO_ENTER}")) == []


@pytest.mark.parametrize("name", READERS_PAGES)
def test_a_browser_that_translates_leaves_the_names_of_grades(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    for found in re.finditer(r'(?<!data-name="){{ *level\.name', text):
        tag = text.rfind("<", 0, found.start())
        # In an attribute of its own element, or right behind its tag.
        inside = text[tag : max(text.find(">", tag) + 1, found.start())]
        assert 'translate="no"' in inside, text[tag : found.end()]

"""A person's own data in one zip (subject access: GDPR, articles 15 and 20)."""

import json
from collections.abc import Iterator
from typing import Any

from labeler.exchange import export, zip_stream
from labeler.images import consents, subjects
from labeler.models import Image
from labeler.screening import gallery
from scoring.platform import blobs
from training.models import Score

README = """\
What the study "{title}" keeps of you.{simulated}

photographs/   your photographs as they came
person.json    of each photograph: what is known and was measured of it, what dermatologists said of it (under codes:
               who they are is theirs), and what regressors scored it, but for trials of long ago, whose scores are
               deleted; and what you agreed to, and when
"""


def stream(image: Image) -> Iterator[bytes]:
    """Yield the zip of the person in an image."""
    return zip_stream.stream(_entries(image))


def _entries(image: Image) -> Iterator[tuple[str, list[bytes]]]:
    study, photographs = image.study, list(subjects.images_of_person(image))
    simulated = "\nSIMULATED: the faces of this study are made." if study.is_simulated else ""
    yield "README.txt", [README.format(title=study.title, simulated=simulated).encode()]
    said = consents.history(study, image.subject) if image.subject else []
    person = {
        "study": study.title,
        "subject": image.subject,
        "consents": [
            {
                "recorded_at": one.recorded_at.isoformat(),
                "given_on": one.given_on.isoformat() if one.given_on else None,
                "scopes": one.scopes,
                "source": one.source,
            }
            for one in said
        ],
        "photographs": [_about(photograph) for photograph in photographs],
    }
    yield "person.json", [json.dumps(person, indent=2, ensure_ascii=False).encode()]
    for photograph in photographs:
        if photograph.has_file:
            yield _file(photograph), [blobs.read(photograph.original)]


def _file(image: Image) -> str:
    """Return its name in the zip; what it was called is in person.json, as a name may lead out of a folder."""
    return f"photographs/{export.image_code(image.study, image.content_hash)}"


def _about(image: Image) -> dict[str, Any]:
    return {
        "file": _file(image),
        "name": image.source_name,
        "other_names": list(image.aliases.values_list("name", flat=True)),
        "sha256": image.content_hash,
        "width": image.width,
        "height": image.height,
        "imported_at": image.imported_at.isoformat(),
        "metadata": image.metadata,
        "measures": {measure.name: value for measure, value, _ in gallery.measures_of(image)},
        "said_by_dermatologists": [
            {
                "reader": label.assignment.reader.code,
                "is_simulated": label.assignment.reader.is_simulated,
                "at": label.labeled_at.isoformat(),
                "grade": label.grade,
                "not_gradable": label.not_gradable,
                "note": label.note,
                "taken_back": label.is_undo,
            }
            for label in gallery.labels_of(image)
        ],
        "scores": list(Score.objects.filter(image=image).values("run", "recipe", "fit", "value")),
    }

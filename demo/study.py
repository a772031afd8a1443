"""The demo study: made selfies, ten SIMULATED readers who have graded, and an eleventh place for you."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils.crypto import get_random_string

from demo import selfies, simulated_readers
from labeler.dealing import folds
from labeler.golden_set import golden_draw, judging_rule
from labeler.intake import importing
from labeler.models import Study, User
from labeler.studies import atlas, studies
from scoring.photograph import decoding
from training.statistics import planning

SLUG = "demo"
SEED = 2019  # the same faces everywhere; what is golden, each installation draws for itself
SELFIES = 150
GOLDEN_SHARE = 1 / 5
MARGIN = 0.1  # grades: 30 golden images seldom show that a machine is closer than the worst reader, however good it is
ATLAS_SELFIES = 16  # enough that one of them is near every grade
SIMULATED_READERS = 10


@dataclass(frozen=True)
class DemoAccount:
    """An account of the demo. Its password is this installation's own."""

    role: str
    username: str
    password: str


def make(*, count: int = SELFIES, say: Callable[[str], None]) -> Study:
    """Make the demo study of `count` selfies, or what an interruption left of it to make. `say` hears of each step.

    Raises StudyError where the database is in other use, and what make_selfies raises.
    """
    folder = settings.VAR_DIR / "demo" / "selfies"
    say(f"Making {count} made-up selfies with painted acne (SIMULATED)")
    made = selfies.make_selfies(folder=folder, count=count, seed=SEED, on_selfie=_every(25, say))
    study = Study.objects.filter(slug=SLUG).first() or _create()
    if not _accounts_file().exists():
        raise studies.StudyError(
            f"{_accounts_file()}, which held the demo's passwords, is gone. Begin again with an empty VAR_DIR."
        )
    if not study.golden_drawn_at:
        say("Importing them")
        importing.import_folder(study=study, folder=folder, subjects={selfie.file: selfie.subject for selfie in made})
        golden_draw.draw(study=study, size=round(GOLDEN_SHARE * count))
    if not study.dealt_at:
        folds.deal(study=study)
        study.refresh_from_db()
    if not study.judging_rules.exists() and not judging_rule.has_begun(study):
        judging_rule.set_rule(study=study, against="worst", margin=MARGIN, by=None)
    _make_atlas(study, say)
    say("Ten simulated readers grade their lists (SIMULATED)")
    simulated_readers.simulate(study=study, made=made)
    return study


def _make_atlas(study: Study, say: Callable[[str], None]) -> None:
    """Give each grade an example that is in no reader's list. SIMULATED."""
    folder = settings.VAR_DIR / "demo" / "atlas"
    levels = list(atlas.levels(study))
    missing = [(place, level) for place, level in enumerate(levels, start=1) if not level.atlas_pictures.all()]
    if missing:
        say("Making an atlas of the grades (SIMULATED)")
        made = selfies.make_selfies(folder=folder, count=ATLAS_SELFIES, seed=study.seed + 1)
    for place, level in missing:
        example = min(made, key=lambda selfie: (selfie.kind != "regular", _distance(selfie, place, len(levels))))
        pixels = decoding.decode((folder / example.file).read_bytes())
        atlas.add_picture(level=level, pixels=pixels, caption="SIMULATED: a made face with painted acne.")


def _distance(selfie: selfies.MadeSelfie, place: int, steps: int) -> float:
    """Return how far a selfie's severity is from the grade at this place of a scale of so many steps, in steps."""
    return abs(float(planning.stretched(np.asarray(selfie.severity), steps)) - place)


def _every(step: int, say: Callable[[str], None]) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if done % step == 0:
            say(f"  {done} of {total}")

    return tell


def accounts() -> list[DemoAccount]:
    """Return the people to sign in as, as they were made."""
    return [DemoAccount(**fields) for fields in json.loads(_accounts_file().read_text())]


@transaction.atomic
def _create() -> Study:
    study = studies.create(slug=SLUG, title="Acne selfies", is_simulated=True, seed=SEED)
    for number in range(1, SIMULATED_READERS + 1):
        studies.add_reader(study=study, user=_new_user(f"simulated-{number:02d}"), is_simulated=True)
    reader = DemoAccount("the eleventh reader, R11", "reader", get_random_string(12))
    admin = DemoAccount("runs the study", "admin", get_random_string(12))
    studies.add_reader(study=study, user=_new_user(reader.username, reader.password))
    study.admins.add(_new_user(admin.username, admin.password, is_admin=True))
    _write_accounts([reader, admin])
    return study


def _new_user(username: str, password: str | None = None, *, is_admin: bool = False) -> User:
    """Make an account; one without a password can't sign in. Raises StudyError where the name is taken."""
    if User.objects.filter(username=username).exists():
        raise studies.StudyError(
            f"There is an account {username} already, so this is no empty installation: "
            "make the demo study in a database of its own."
        )
    return User.objects.create_user(username=username, password=password, is_staff=is_admin, is_superuser=is_admin)


def _write_accounts(made: list[DemoAccount]) -> None:
    path = _accounts_file()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump([asdict(account) for account in made], file)


def _accounts_file() -> Path:
    path: Path = settings.VAR_DIR / "demo" / "accounts.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path

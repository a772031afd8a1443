"""Workers share the embedding of a study's images, and each image is embedded by one of them."""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from labeler.models import Study, User
from scoring.regressor import feature_store, recipes
from tests.training.builders import photographed_study
from training import tasks
from training.fitting import dataset, embeddings
from training.fitting.embeddings import Graded
from training.models import TrainingRun
from training.runs import retrain

IMAGES = 14  # a run wants ten that are not golden


@pytest.fixture
def study(transactional_db: None, ana: User, ben: User, tmp_path: Path) -> Study:
    return photographed_study((ana, ben), tmp_path / "photographs", images=IMAGES, golden_size=2)


@pytest.fixture
def graded(study: Study) -> list[Graded]:
    found = dataset.load_graded_images(study)
    return [*found.ordinary, *found.golden]


@pytest.fixture
def embedded(caplog: pytest.LogCaptureFixture) -> Iterator[Counter[str]]:
    """Count how often each image is embedded, as the log has it."""
    caplog.set_level(logging.DEBUG, logger="scoring.regressor.feature_store")
    counted: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caplog.handler, "emit", lambda record: counted.update([record.getMessage().split("/")[2]]))
        yield counted


@pytest.fixture
def elsewhere() -> Iterator[BaseDatabaseWrapper]:
    """Return another worker's session."""
    session = connections.create_connection("default")
    yield session
    session.close()


def hold(session: BaseDatabaseWrapper, image: Graded) -> None:
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [embeddings._key(image)])


def test_who_helps_leaves_what_another_holds_and_who_leads_waits_for_it(
    graded: list[Graded], elsewhere: BaseDatabaseWrapper, embedded: Counter[str]
) -> None:
    recipe = recipes.ms2019()
    hold(elsewhere, graded[0])
    embeddings.help_store(graded, recipe, is_over=lambda: False)
    others = {image.content_hash for image in graded[1:]}
    assert embedded == Counter(others)

    told: list[int] = []

    def done(number: int) -> None:
        told.append(number)
        elsewhere.close()  # whoever held it is gone

    embeddings.store(graded, recipe, done)
    assert embedded == Counter(image.content_hash for image in graded)
    assert told[-1] == IMAGES
    assert all(feature_store.read_many([image.selfie for image in graded], recipe))


def test_others_are_called_once_and_only_where_something_is_missing(graded: list[Graded]) -> None:
    called: list[str] = []
    for _ in range(2):
        embeddings.store(graded, recipes.ms2019(), lambda _: None, call=lambda: called.append("all"))
    assert called == ["all"]


def test_a_worker_helps_a_run_at_that_stage_alone_and_twice_is_harmless(study: Study, embedded: Counter[str]) -> None:
    run = retrain.request(study=study)
    tasks.help_embed(run.pk)
    assert not embedded
    TrainingRun.objects.update(state="running", lease_until="2100-01-01T00:00Z", stage=retrain.EMBEDDING)
    for _ in range(2):
        tasks.help_embed(run.pk)
    assert sorted(embedded.values()) == [1] * IMAGES

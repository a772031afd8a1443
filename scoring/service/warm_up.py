"""Loading of weights and libraries before a scorer process reports that it is ready."""

import io
import logging
import threading

from django.conf import settings
from django.db import DatabaseError, connection
from PIL import Image

from scoring.models import Regressor
from scoring.photograph.decoding import Selfie
from scoring.platform.probes import NotReadyError
from scoring.regressor import pipeline, recipes, regressors
from scoring.regressor.regressors import LOADED_AT_ONCE, ArtefactError
from scoring.weights.weight_files import WeightsError

SIDE = 640  # pixels of the picture that goes through everything once

logger = logging.getLogger(__name__)


class Warmth:
    """What has been loaded. Where it failed, the next probe has it tried again: weights may have come meanwhile."""

    def __init__(self) -> None:
        self._trying = threading.Lock()
        self._said: str | None = "warming up"

    def begin(self) -> None:
        """Warm up beside whatever else this process does."""
        threading.Thread(target=self._try, name="warming", daemon=True).start()

    def __call__(self) -> None:
        """Raises NotReadyError until all is loaded."""
        said = self._said
        if said is not None:
            self.begin()
            raise NotReadyError(said)

    def _try(self) -> None:
        if self._said is None or not self._trying.acquire(blocking=False):
            return
        try:
            warm()
            self._said = None
        except WeightsError as error:
            logger.error("The weights can't be loaded: %s", error)  # noqa: TRY400  a sentence for the operator
            self._said = "missing or damaged: the log says which"
        except DatabaseError:
            self._said = "waiting for the database"
        finally:
            connection.close()
            self._trying.release()


def warm() -> None:
    """Send an empty picture through everything, with the backbone of new recipes and those regressors that answer.

    Raises WeightsError and DatabaseError.
    """
    picture = _empty_picture()
    pipeline.describe(picture, recipes.ms2019(settings.BACKBONE))
    for row in Regressor.objects.filter(is_active=True).order_by("-published_at")[:LOADED_AT_ONCE]:
        try:
            pipeline.score_image(picture, regressors.active(row.study))
        except ArtefactError as error:  # its own study's apps are told; the others are answered
            logger.error("%s can't answer: %s", row, error)  # noqa: TRY400  a sentence for the operator


def _empty_picture() -> Selfie:
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "grey").save(file, "PNG")
    return Selfie.of(file.getvalue())

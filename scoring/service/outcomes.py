"""The outcome of one photograph in a batch: a score or a sentence. One failure does not stop the others."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from scoring.photograph.decoding import ImageError, Selfie
from scoring.platform import telemetry
from scoring.regressor.pipeline import FittedRegressor, score_image
from scoring.service.fetching import FetchError
from scoring.service.score_json import SelfieScoreOut


@dataclass(frozen=True)
class Photograph:
    """A file that came, or an address. `read` raises images.ImageError and fetching.FetchError."""

    name: str
    url: str
    read: Callable[[], bytes]

    def selfie(self) -> Selfie:
        return Selfie.of(self.read())


@dataclass(frozen=True)
class Outcome:
    """The status that the photograph would have had alone, and the answer or the sentence of its problem."""

    status: int
    answer: SelfieScoreOut | None
    detail: str = ""


def answer(selfie: Selfie, regressor: FittedRegressor) -> SelfieScoreOut:
    """Score a selfie as apps are told it, and count it. Raises images.ImageError and weights.WeightsError."""
    result = score_image(selfie, regressor)
    telemetry.answers.labels("abstained" if result.abstains else "scored").inc()
    return SelfieScoreOut.of(result)


def of(photograph: Photograph, regressor: FittedRegressor) -> Outcome:
    """Read and score one. Raises weights.WeightsError: then none can be scored."""
    try:
        return Outcome(HTTPStatus.OK, answer(photograph.selfie(), regressor))
    except (ImageError, FetchError) as error:
        return Outcome(HTTPStatus.UNPROCESSABLE_ENTITY, None, str(error))


def told(position: int, name: str, outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as apps are told it."""
    status = HTTPStatus(outcome.status)
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": outcome.detail}
    return {
        "position": position,
        "name": name,
        "status": status.value,
        "answer": outcome.answer.model_dump(mode="json") if outcome.answer else None,
        "problem": problem if outcome.answer is None else None,
    }

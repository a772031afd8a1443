"""The published service's single endpoint and answer, for apps written for it.

Everything in the answer is a string, also lists; a box is x_min, x_max, y_min, y_max there; scores have two decimals.
New apps ask /api/v1/score. What the published service did not have: it needs a token, is off unless LEGACY_API is
set, asks public addresses only, and says so where it can't score.
"""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpRequest
from ninja import NinjaAPI, Schema

from scoring.models import Scope
from scoring.photograph.decoding import Pixels, Selfie, turned
from scoring.photograph.patches import Box
from scoring.regressor import regressors
from scoring.regressor.pipeline import SelfieScore, score_image
from scoring.service import fetching
from scoring.service.api import problems
from scoring.service.api.authorisation import AuthedRequest, BearerToken
from scoring.service.api.problems import ProblemError

# A proxy on the way may have made one slash of two.
ASKED = re.compile(r"ImageURL=(?P<scheme>https?):/+(?P<rest>[^/].*)", re.IGNORECASE)

UNQUOTED = "/:@&+$,-_.!~*'()=;[]"  # what an address may have in its path; our server has unquoted all of it


class LegacyToken(BearerToken):
    """Where the old address is off, it is not there, for anybody."""

    def __call__(self, request: HttpRequest) -> Any:
        if not settings.LEGACY_API:
            raise Http404
        return super().__call__(request)


class LegacyScore(Schema):
    face_loc: str
    image_dim: str
    image_score: str
    patch_score: str


legacy = NinjaAPI(
    title="The published service",
    urls_namespace="legacy",
    docs_url=None,
    openapi_url=None,
    auth=LegacyToken(Scope.LEGACY),
)
problems.answer_all(legacy)


@legacy.get("/{path:argument}", response=LegacyScore)
def score_url(request: AuthedRequest, argument: str) -> dict[str, str]:
    """Fetch and score the photograph whose address stands behind `ImageURL=`."""
    selfie = Selfie.of(fetching.fetch(_address(argument, request.META["QUERY_STRING"]), fetching.rules()))
    result = score_image(selfie, regressors.active(request.auth.token.study))
    if result.abstains:
        detail = " ".join(reason.detail for reason in result.reasons)
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return _strings(result, selfie.pixels)


def _address(argument: str, query: str) -> str:
    """Return the photograph's address, whose own query came as ours."""
    asked = ASKED.fullmatch(argument)
    if asked is None:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "Ask for /url/ImageURL= and the address of a photograph.")
    address = f"{asked['scheme'].lower()}://{quote(asked['rest'], safe=UNQUOTED)}"
    return f"{address}?{query}" if query else address


def _strings(result: SelfieScore, pixels: Pixels) -> dict[str, str]:
    scores = [round(patch.score, 2) for patch in result.patches]
    patches = [[*_published(patch.box), score] for patch, score in zip(result.patches, scores, strict=True)]
    height, width = turned(pixels, result.turn).shape[:2]
    return {
        "face_loc": str(_published(_within(result.face or _around(result), width, height))),
        "image_dim": str([height, width]),
        "image_score": str(round(sum(scores) / len(scores), 2)),
        "patch_score": str(patches),
    }


def _published(box: Box) -> list[int]:
    x_min, y_min, x_max, y_max = box
    return [x_min, x_max, y_min, y_max]


def _within(box: Box, width: int, height: int) -> Box:
    x_min, y_min, x_max, y_max = box
    return max(x_min, 0), max(y_min, 0), min(x_max, width), min(y_max, height)


def _around(result: SelfieScore) -> Box:
    """Where one eye was found, the face is what its patches span."""
    lefts, tops, rights, bottoms = zip(*(patch.box for patch in result.patches), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)

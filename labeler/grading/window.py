"""Which images a reader may see now: what they graded, and the next few, no faster than a person looks.

A page that could ask for its whole list would show at once which images come twice, and whoever collects what several
readers get could compare it. So a list is told, and its images are served, from the reader's place a few ahead.
"""

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings

from labeler.accounts.access import AuthedRequest
from labeler.grading import queries, refusals
from labeler.grading.queries import ToShow
from labeler.models import Assignment, Reader

AHEAD = 4  # images that the page fetches: the one on the screen and three ahead
WINDOW = 2 * AHEAD  # images told and served: labels that are on their way must not hold up the page
BURST = 20  # labels that may come at once, as after a time without a network
WHOLE_LIST = "whole_list"  # in the session of an audit, which looks at everything and grades nothing


def upcoming(reader: Reader, session: Mapping[str, object], *, after: UUID | None = None) -> list[Assignment]:
    """Return the images that the reader is told of: the next ones, or of these only those behind `after`."""
    ahead = queries.next_ones(reader.pk, count=_length(session))
    places = {one.public_id: place for place, one in enumerate(ahead, start=1)}
    return ahead[places.get(after, 0) :] if after else ahead


def get_assignment(request: AuthedRequest, slug: str, public_id: UUID) -> ToShow:
    """Return one of the reader's own assignments whose image is asked for. Raises what `queries` does."""
    seconds = BURST / settings.IMAGES_PER_SECOND
    return queries.get_assignment_to_show(request, slug, public_id, window=WINDOW, labels=BURST, seconds=seconds)


def refusal(assignment: ToShow, session: Mapping[str, object]) -> refusals.RefusedError | None:
    """Return why an image is not served now; None where it is."""
    if gone := refusals.of(assignment):
        return gone
    if WHOLE_LIST in session:
        return None
    if not assignment.is_near:
        return refusals.AheadError()
    return refusals.TooFastError() if assignment.is_fast else None


def _length(session: Mapping[str, object]) -> int:
    return queries.WHOLE if WHOLE_LIST in session else WINDOW

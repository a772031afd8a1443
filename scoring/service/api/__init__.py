"""The scoring API under /api/v1/, and the published service's address under /url/."""

from ninja import NinjaAPI

from scoring.service.api import jobs, problems, scores
from scoring.service.api.legacy import legacy

__all__ = ["api", "legacy"]

api = NinjaAPI(
    title="Acne scoring",
    version="1.0.0",
    description="How severe is the acne on this selfie? A machine's score on the scale of a study's dermatologists.",
    urls_namespace="api",
    docs_url=None,  # its page loads scripts from elsewhere; the content security policy forbids that, rightly
)
api.add_router("", scores.router)
api.add_router("", jobs.router)
api.add_router("", scores.selfies)
problems.answer_all(api)

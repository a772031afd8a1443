"""The commitment to a golden set: its salted hash is published at once and opened at closing."""

import hashlib
import json
import secrets

from labeler.models import Commitment, Study
from labeler.record import keyed_draws

CONSENSUS_RULE = "The mean of the current grades of first readings; labels without a grade do not count."


def promise(study: Study, how: str) -> Commitment:
    """Store the opening and its SHA-256. A salt of 256 bits keeps the list from being found by trying.

    The opening has the dealing key of this study: with it anybody can repeat its draws after closing. It tells nothing
    of the secret that it comes of, of the codes in exports, or of another study. Openings of earlier releases have the
    number `order_seed` in its place, and stay as they were written: their hash was published.
    """
    golden = study.images.filter(is_golden=True).order_by("content_hash").values_list("content_hash", flat=True)
    opening = {
        "study": study.slug,
        "frozen_at": study.golden_drawn_at.isoformat() if study.golden_drawn_at else None,
        "how": how,
        "golden_images_sha256": list(golden),
        "dealing_key": keyed_draws.dealing_key(bytes(study.secret)).hex(),
        "consensus_rule": CONSENSUS_RULE,
        "salt": secrets.token_hex(32),
    }
    text = json.dumps(opening, indent=1, sort_keys=True) + "\n"
    return Commitment.objects.create(study=study, opening=text, digest=hashlib.sha256(text.encode()).hexdigest())


def of(study: Study) -> Commitment | None:
    """Return the study's promise; imported studies made none."""
    return Commitment.objects.filter(study=study).first()

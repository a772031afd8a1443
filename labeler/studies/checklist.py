"""The checklist of a study, from its first image to closing: what is done and what is next."""

from dataclasses import dataclass

from labeler.models import Study


@dataclass(frozen=True)
class Step:
    """One station, and the page where it happens."""

    title: str
    page: str  # name of its address
    said: str
    is_done: bool


def of(study: Study) -> list[Step]:
    images, golden = study.images.count(), study.images.filter(is_golden=True).count()
    dropped, readers = study.images.filter(is_kept=False).count(), study.readers.count()
    is_drawn, is_dealt = bool(study.golden_drawn_at), bool(study.dealt_at)
    clusters = study.images.exclude(cluster=None).count()
    return [
        Step("Images", "intake", f"{images:,} in the study" if images else "none yet", images > 0),
        Step("Prescreening", "prescreen", f"{dropped:,} dropped", is_drawn or study.prescreen_rules.exists()),
        Step("Near-duplicates", "duplicates", f"{clusters:,} images have some", is_drawn or clusters > 0),
        Step("Golden set", "golden", f"{golden:,} images" if is_drawn else "not drawn", is_drawn),
        Step("Readers", "readers", f"{readers:,}" if readers else "none yet", readers > 0),
        Step("Dealing", "dealing", f"{study.dealt_at:%d %b %Y}" if study.dealt_at else "not dealt", is_dealt),
        Step("Reading", "oversight", "see how it goes" if is_dealt else "after dealing", bool(study.closed_at)),
        Step("Closed", "close", f"{study.closed_at:%d %b %Y}" if study.closed_at else "open", bool(study.closed_at)),
    ]

"""What comes out of a run, as one value; and what its row keeps of how it was made."""

from collections.abc import Sequence
from dataclasses import dataclass

from labeler.platform import typed_json
from scoring.regressor.pipeline import FittedRegressor
from training.fitting.provenance import Provenance
from training.models import Score, TrainingRun
from training.publication.gate import Decision
from training.reports.contents import RunReport
from training.reports.reader_numbers import Drifting


@dataclass(frozen=True)
class RunResult:
    """All that is stored of a run, at once."""

    fitted: FittedRegressor
    provenance: Provenance
    decision: Decision
    report: RunReport
    scores: Sequence[Score]  # every score that the report's errors rest on
    left_out: tuple[str, ...]  # hashes of the images that it did not learn from, or was not judged on
    drift: Drifting
    ms2019_snapshot: str  # hash of what a fit of ms2019 depends on


@dataclass(frozen=True, kw_only=True)
class RunRecord(Provenance):
    """What the row of a run keeps of how it was made."""

    seconds: tuple[tuple[str, float], ...]  # of each stage, in order
    artefact_sha256: str
    drift: Drifting
    ms2019_snapshot: str


def record_of(run: TrainingRun) -> RunRecord | None:
    """Return what stands on a run's row; None where the run fitted nothing."""
    return typed_json.load(RunRecord, run.record) if run.record else None

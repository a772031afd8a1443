"""Facts for the reporting checklists of diagnostic AI (STARD-AI, CLAIM).

The template `_checklist.html` has the questions, after STARD-AI (Sounderajah et al. 2025) and CLAIM (Tejani et
al. 2024). What only people know, such as an ethics approval, it calls not recorded, so that nobody takes silence for
an answer.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q

from labeler.accounts import unblinding
from labeler.golden_set import commitments
from labeler.golden_set.commitments import CONSENSUS_RULE
from labeler.grading import consensus
from labeler.models import Commitment, GradeLevel, NotGradable, PrescreenRule, Study
from labeler.platform import typed_json
from training.fitting.provenance import Provenance
from training.reports import run_report
from training.reports.contents import StudyReport
from training.statistics.intervals import LEVEL


@dataclass(frozen=True)
class Facts:
    """Of one study."""

    commitment: Commitment | None
    images: int
    dropped: int
    subjects: int
    duplicates: int
    columns: list[str]  # of metadata on golden images
    rule: PrescreenRule | None
    levels: list[GradeLevel]
    simulated_readers: int
    looked: list[str]  # codes of readers who had seen readers' grades before they began
    first_label: datetime | None
    last_label: datetime | None
    not_gradable: list[tuple[str, int]]  # reason, first readings
    twice: int  # golden and ordinary images that readers met again and graded both times
    libraries: dict[str, str]  # name -> version, of the latest run's regressor
    subgroups: int  # with enough images to say something
    level = LEVEL
    consensus_rule = CONSENSUS_RULE


def of(study: Study, report: StudyReport) -> Facts:
    run = run_report.latest(study)
    of_images = study.images.aggregate(
        dropped=Count("pk", filter=Q(is_kept=False)),
        duplicates=Count("cluster"),
        subjects=Count("subject", distinct=True, filter=~Q(subject="")),
    )
    known = study.images.filter(is_golden=True).values_list("metadata", flat=True)
    first_readings = consensus.counting_labels(study).filter(assignment__is_repeat=False).order_by()
    dates = first_readings.aggregate(first_label=Min("labeled_at"), last_label=Max("labeled_at"))
    reasons = dict(first_readings.filter(grade=None).values_list("not_gradable").annotate(times=Count("pk")))
    groups = report.machine_run.machine.subgroups if report.machine_run else ()
    return Facts(
        commitment=commitments.of(study),
        images=study.images.count(),
        columns=sorted({name for metadata in known for name in metadata}),
        rule=study.prescreen_rules.first(),
        levels=list(study.grade_levels.all()),
        simulated_readers=sum(reader.is_simulated for reader in report.readers),
        looked=sorted(study.readers.filter(pk__in=unblinding.readers_who_looked(study)).values_list("code", flat=True)),
        not_gradable=[(label, reasons.get(value, 0)) for value, label in NotGradable.choices],
        twice=sum(reader.repeats.same.n for reader in report.readers),
        libraries=typed_json.load(Provenance, run.regressor.provenance).libraries if run and run.regressor else {},
        subgroups=sum(group.rmse.value is not None for group in groups),
        **of_images,
        **dates,
    )

"""What the report page and its JSON show: the readers as they are now, and the machine of the latest run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from labeler.grading import consensus
from labeler.models import Label, Study
from training.models import Score
from training.publication import gate
from training.publication.gate import Bar
from training.reports import reader_numbers, run_report
from training.reports.contents import (
    BetterThan,
    LeftOut,
    ReadersReport,
    ReaderWithAndWithout,
    RunReport,
    StudyReport,
    WithAndWithout,
)
from training.statistics import metrics, panels
from training.statistics.intervals import Floats


def current(study: Study, *, anew: bool = False, may_be_late: bool = False) -> StudyReport:
    """Return what the page and `manage.py report --json` show: live readers, and the latest run's machine.

    `anew` computes what is remembered once more, and writes nothing. `may_be_late` is for those who would wait.
    """

    def count(*, whole: bool) -> ReadersReport:
        if anew:
            return reader_numbers.compute(study, whole=whole)
        return reader_numbers.of(study, whole=whole, may_be_late=may_be_late)

    report = _report(study, count(whole=False))
    images = list(consensus.left_out(study).values_list("is_golden", flat=True))
    return replace(report, left_out=_left_out(study, images, report, count(whole=True))) if images else report


def blinded(study: Study) -> StudyReport:
    """Return the report for who may not know which images are golden.

    It has no points: whoever can score the images finds each golden one by its score. And its readers' numbers count
    images that were left out: numbers that change as one is taken out would tell that it is golden.
    """
    report = _report(study, reader_numbers.of(study, whole=True, may_be_late=True))
    run = report.machine_run
    return replace(report, machine_run=replace(run, points=())) if run else report


def _report(study: Study, standing: ReadersReport) -> StudyReport:
    run = run_report.of(run_report.latest(study))
    labels = Label.objects.filter(assignment__reader__study=study)
    return StudyReport(
        **vars(standing),
        study=study.slug,
        title=study.title,
        is_simulated=study.is_simulated or any(reader.is_simulated for reader in standing.readers),
        erased_images=study.images.filter(is_erased=True).count(),
        bar=_bar(standing),
        machine_run=run,
        better_than=better_than(run) if run else None,
        labels_since_run=labels.filter(pk__gt=run.labels_until).count() if run else None,
    )


def _bar(standing: ReadersReport) -> Bar | None:
    return gate.bar_of({reader.code: reader.rmse.value for reader in standing.readers if reader.counts_for_bar})


def _left_out(study: Study, images: Sequence[bool], report: StudyReport, whole: ReadersReport) -> LeftOut:
    """Compare a report's numbers with the `whole` of the readers'; `images` says which of those left out are golden."""
    readers = zip(whole.readers, report.readers, strict=True)
    return LeftOut(
        images=len(images),
        golden_images=sum(images),
        readers=tuple(ReaderWithAndWithout(one.code, WithAndWithout(one.rmse, other.rmse)) for one, other in readers),
        bar_with_them=_bar(whole),
        bar_without=report.bar,
        golden_rmse=_golden_rmse(study, report.machine_run),
    )


def _golden_rmse(study: Study, run: RunReport | None) -> WithAndWithout | None:
    """Return the RMSE of a run's scores, on all golden images that it scored and on those that count."""
    if run is None:
        return None
    rows = Score.objects.filter(run=run.run, recipe=run.machine.recipe, fit=0, image__is_golden=True)
    scores = dict(rows.values_list("image__content_hash", "value"))
    means = {one.content_hash: one.mean for one in consensus.golden_consensus(study, whole=True)}
    counting = [one.content_hash for one in consensus.golden_consensus(study) if one.content_hash in scores]
    if not (means.keys() - counting) <= scores.keys():
        return None
    person_of = dict(study.images.filter(is_golden=True).values_list("content_hash", "subject"))
    both = (
        metrics.rmse(*_columns(names, scores, means), panels.number_people(names, person_of))
        for names in (sorted(means.keys() & scores.keys()), counting)
    )
    return WithAndWithout(*both)


def _columns(names: Sequence[str], one: Mapping[str, float], other: Mapping[str, float]) -> tuple[Floats, Floats]:
    return np.array([one[name] for name in names]), np.array([other[name] for name in names])


def better_than(run: RunReport) -> BetterThan:
    """Return than how many readers of a run the machine is closer to the others, and for how many that is established.

    A report of before 2026-12-01 has no verdict: there nothing of this is established.
    """
    against = run.against
    if against is None:
        compared = [reader.machine_minus_reader.value for reader in run.readers]
        known = [value for value in compared if value is not None]
        counts = (sum(value < 0 for value in known), 0, 0, len(known))
    else:
        counts = (against.closer, against.surely_closer, against.surely_farther, against.readers)
    closer, sure, farther, of = counts
    if not of:
        return BetterThan(*counts, "No reader can be compared with the machine yet.")
    said = f"The machine is closer to the other readers than {closer} of {of} readers are"
    said += f"; established is that for {sure} of them" if closer else ""
    more = f" It is established to be farther off than {farther}." if farther else ""
    return BetterThan(*counts, f"{said}.{more}")

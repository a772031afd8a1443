"""What the report page and its JSON show: the readers as they are now, and the machine of the latest run."""

from collections.abc import Sequence
from dataclasses import replace

from labeler.models import Label, Study
from training.publication import gate
from training.reports import reader_numbers, run_report
from training.reports.contents import BetterThan, ComparedReader, StudyReport


def current(study: Study, *, anew: bool = False, may_be_late: bool = False) -> StudyReport:
    """Return what the page and `manage.py report --json` show: live readers, and the latest run's machine.

    `anew` computes what is remembered once more, and writes nothing. `may_be_late` is for those who would wait.
    """
    run = run_report.of(run_report.latest(study))
    standing = reader_numbers.compute(study) if anew else reader_numbers.of(study, may_be_late=may_be_late)
    labels = Label.objects.filter(assignment__reader__study=study)
    return StudyReport(
        **vars(standing),
        study=study.slug,
        title=study.title,
        is_simulated=study.is_simulated or any(reader.is_simulated for reader in standing.readers),
        erased_images=study.images.filter(is_erased=True).count(),
        bar=gate.bar_of({reader.code: reader.rmse for reader in standing.readers if reader.counts_for_bar}),
        machine_run=run,
        better_than=better_than(run.readers) if run else None,
        labels_since_run=labels.filter(pk__gt=run.labels_until).count() if run else None,
    )


def blinded(report: StudyReport) -> StudyReport:
    """Return the report without its points: whoever can score the images finds each golden one by its score."""
    run = report.machine_run
    return replace(report, machine_run=replace(run, points=())) if run else report


def better_than(readers: Sequence[ComparedReader]) -> BetterThan:
    """Return than how many readers of a run the machine is closer to the others' consensus."""
    compared = [reader.machine_minus_reader for reader in readers]
    compared = [one for one in compared if one.value is not None]
    closer = sum(one.value is not None and one.value < 0 for one in compared)
    sure = sum(one.high is not None and one.high < 0 for one in compared)
    farther = sum(one.low is not None and one.low > 0 for one in compared)
    if not compared:
        return BetterThan(0, 0, 0, 0, "No reader can be compared with the machine yet.")
    said = f"The machine is closer to the other readers than {closer} of {len(compared)} readers are"
    if sure:
        said += f"; for {sure} of them the interval leaves out 0, so that is established"
    elif closer:
        said += "; for none of them is that established, since every interval contains 0"
    more = f" It is established to be farther off than {farther}." if farther else ""
    return BetterThan(closer, sure, farther, len(compared), f"{said}.{more}")

"""The readers who set a bar, and the images that they are judged on. [core]"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isnan

from training.statistics import metrics
from training.statistics.intervals import Floats, People
from training.verdicts import against_readers, enough_grades
from training.verdicts.against_readers import AgainstReaders, Rule
from training.verdicts.enough_grades import EnoughGrades


@dataclass(frozen=True)
class JudgedPanel:
    """Grades (n, N) of the readers who count, by their codes; NaN for none and on images with too few."""

    codes: tuple[str, ...]
    grades: Floats
    enough: EnoughGrades

    def against(self, scores: Floats, people: People | None = None, *, rule: Rule, look: int) -> AgainstReaders:
        """Hold (N,) scores against these readers; `people` (N,) numbers the person in each image."""
        needed = self.enough.grades_needed
        return against_readers.compare(
            scores, self.grades, self.codes, people, rule=rule, look=look, grades_needed=needed
        )

    def errors(self) -> dict[str, float | None]:
        """Return the published form of each one's RMSE, against the consensus of these alone."""
        left = self.grades - metrics.consensus(self.grades)
        errors = {code: metrics.root_mean_square(row) for code, row in zip(self.codes, left, strict=True)}
        return {code: None if isnan(error) else error for code, error in errors.items()}


def of(grades: Floats, codes: Sequence[str], *, drawn: int, without: Collection[str] = ()) -> JudgedPanel:
    """Choose among (n, N) golden grades those of readers who have done half; `without` are to set no bar."""
    grades = grades[[code not in without for code in codes]]
    names = [code for code in codes if code not in without]
    counts = enough_grades.who_count(grades, drawn)
    enough, has_enough = enough_grades.of_panel(grades, drawn)
    kept = tuple(code for code, is_kept in zip(names, counts, strict=True) if is_kept)
    return JudgedPanel(kept, enough_grades.only(grades[counts], has_enough), enough)

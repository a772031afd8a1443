"""What must come of acts of grading: a model in a few lines, which the site is held against.

The state machine of `test_state_machine` and the fault bench (benchmarks/reliability/verdict.py) both replay what
readers did and were told here.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

STORED = "stored"


@dataclass(frozen=True)
class Act:
    """One act: a grade, or with neither grade nor reason the label is taken back."""

    submission: str
    assignment: str
    version: int  # of the assignment, as the reader saw it
    grade: int | None = None
    not_gradable: str = ""
    note: str = ""

    @property
    def is_undo(self) -> bool:
        return self.grade is None and not self.not_gradable


@dataclass
class Book:
    """The acts of one reader that are stored, assignment by assignment, in their order."""

    kept: dict[str, Act] = field(default_factory=dict)  # by submission
    pages: dict[str, list[Act]] = field(default_factory=dict)  # by assignment

    def version(self, assignment: str) -> int:
        return len(self.pages.get(assignment, []))

    def current(self, assignment: str) -> Act | None:
        """Return the act that counts, or None where there is none, or it was taken back."""
        acts = self.pages.get(assignment, [])
        return acts[-1] if acts and not acts[-1].is_undo else None

    @property
    def done(self) -> list[str]:
        """Return the assignments that have a label."""
        return [assignment for assignment in self.pages if self.current(assignment)]

    def take(self, act: Act, *, barred: str = "") -> str:
        """Return what must become of an act, and keep it if it must be stored.

        `barred` names why nothing can be graded now. An act that was stored stays so, however often it comes again.
        """
        if act.submission in self.kept:
            return STORED if self.kept[act.submission] == act else "reused"
        if barred:
            return barred
        if act.version != self.version(act.assignment):
            return "outdated"
        self.kept[act.submission] = act
        self.pages.setdefault(act.assignment, []).append(act)
        return STORED

    def differs(self, rows: Collection[tuple[str, int, int | None, bool]]) -> set[str]:
        """Return the assignments that are not as these rows (assignment, version, current grade, is done) have them."""
        there = {assignment: (version, grade, is_done) for assignment, version, grade, is_done in rows}
        meant = {}
        for assignment in self.pages:
            act = self.current(assignment)
            meant[assignment] = (self.version(assignment), act.grade if act else None, act is not None)
        return {one for one in meant.keys() | there.keys() if meant.get(one, (0, None, False)) != there.get(one)}

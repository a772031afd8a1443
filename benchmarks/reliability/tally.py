"""What all readers did and were told."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Act:
    """One act of grading as its reader meant it; no grade takes the last one back."""

    reader: str
    assignment: str  # its public id
    grade: int | None
    version: int = 0  # of the assignment, as its reader saw it
    shown: int | None = None  # which photograph was on the screen; None where nobody looked at one


@dataclass
class Tally:
    """Every act by its submission's id, and what became of it."""

    given: dict[str, Act] = field(default_factory=dict)
    acknowledged: dict[str, Act] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)  # submission -> status
    in_browsers: int = 0  # of those acknowledged
    sent_again: int = 0
    signed_in: int = 0
    sign_ins_refused: Counter[int] = field(default_factory=Counter)  # status -> times; 0 where no answer came
    leaks: list[str] = field(default_factory=list)  # answers that say more than a reader may know
    saved_at: float = 0.0
    longest_gap: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def give(self, submission: str, act: Act) -> None:
        with self.lock:
            self.given[submission] = act

    def settle(self, submission: str, status: int) -> None:
        """Note an answer that lets the act leave its outbox."""
        now = time.monotonic()
        with self.lock:
            act = self.given[submission]
            if status >= 300:
                self.refused[submission] = status
                return
            self.in_browsers += act.shown is not None and submission not in self.acknowledged
            self.acknowledged[submission] = act
            self.longest_gap = max(self.longest_gap, now - (self.saved_at or now))
            self.saved_at = now

    @property
    def open(self) -> set[str]:
        """Return the submissions whose acts are still to be settled."""
        return self.given.keys() - self.acknowledged.keys() - self.refused.keys()

    @property
    def refusals(self) -> Counter[int]:
        return Counter(self.refused.values())

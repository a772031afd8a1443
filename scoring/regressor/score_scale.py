"""The grading scale of a study: its grades, and which of them a score is. [core]"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST_GRADES = 2


@dataclass(frozen=True)
class Scale:
    """The grades of a study, the lowest first; they may have gaps. Raises ValueError for what is no scale."""

    grades: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.grades) < FEWEST_GRADES or list(self.grades) != sorted(set(self.grades)):
            raise ValueError(f"A scale has {FEWEST_GRADES} different grades or more, the lowest first: {self.grades}")

    @classmethod
    def of_steps(cls, steps: int) -> Self:
        """Return the scale 1, 2, ... steps."""
        return cls(tuple(range(1, steps + 1)))

    @property
    def lowest(self) -> int:
        return self.grades[0]

    @property
    def highest(self) -> int:
        return self.grades[-1]

    def clip(self, values: ArrayLike) -> NDArray[np.float64]:
        """Move values beyond the ends of the scale to its ends."""
        return np.clip(np.asarray(values, np.float64), self.lowest, self.highest)

    def grades_of(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the grade that each value is at: the nearest one, and half-way between two the higher one."""
        grades: NDArray[np.int64] = np.asarray(self.grades)[steps(np.asarray(values), self.grades)]
        return grades


def steps(values: NDArray[np.floating], grades: Sequence[float]) -> NDArray[np.intp]:
    """Return the place on the scale of the grade that each value is at; half-way between two it is the higher one's."""
    scale = np.asarray(grades, dtype=float)
    places: NDArray[np.intp] = np.digitize(values, (scale[:-1] + scale[1:]) / 2)
    return places

"""The same errors for parts of the images: of the machine, and of all readers together."""

from dataclasses import asdict

import numpy as np
import pytest

from training.statistics import metrics, subgroups

NAN = np.nan
VIEW = np.array(["left"] * 20 + ["right"] * 25 + [""] * 5)


def errors(seed: int = 1, *, readers: int | None = None) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    shape = (50,) if readers is None else (readers, 50)
    return np.random.default_rng(seed).normal(0.1, 0.5, shape)


def test_the_machines_errors_are_split_by_each_value() -> None:
    off = errors()
    left, right = subgroups.by_column(off, {"view": VIEW})
    assert [(one.column, one.value, one.images) for one in (left, right)] == [
        ("view", "left", 20),
        ("view", "right", 25),
    ]
    assert asdict(left.rmse) == pytest.approx(asdict(metrics.rmse(off[:20], np.zeros(20))))
    assert right.bias.value == pytest.approx(off[20:45].mean())


def test_readers_errors_are_pooled_and_an_image_is_drawn_with_all_of_them() -> None:
    off = errors(readers=3)
    (left, _) = subgroups.by_column(off, {"view": VIEW})
    assert left.rmse.value == pytest.approx(np.sqrt((off[:, :20] ** 2).mean()))
    assert left.images == 20
    one, same = (subgroups.by_column(np.tile(errors(), (k, 1)), {"view": VIEW})[0] for k in (1, 9))
    assert asdict(same.rmse) == pytest.approx(asdict(one.rmse))  # nine readers who err alike are no nine images


def test_what_readers_did_not_grade_is_not_counted() -> None:
    off = errors(readers=2)
    off[:, 0] = NAN
    off[0, 1] = NAN
    (left, _) = subgroups.by_column(off, {"view": VIEW})
    assert (left.images, left.rmse.value) == (19, None)
    assert left.rmse.reason == "19 images; below 20 an error says too little."


def test_a_single_image_is_called_one() -> None:
    kinds = subgroups.by_column(np.array([0.1, 0.2]), {"view": np.array(["a", "b"])})
    assert [one.rmse.reason for one in kinds] == ["1 image; below 20 an error says too little."] * 2


@pytest.mark.parametrize(
    "values",
    [np.full(50, "left"), np.full(50, ""), np.array([str(n) for n in range(50)])],
    ids=["one value", "nothing known", "a value for each image"],
)
def test_a_column_that_tells_no_kinds_apart_is_left_out(values: np.ndarray[tuple[int], np.dtype[np.str_]]) -> None:
    assert subgroups.by_column(errors(), {"column": values}) == ()


def test_thirds_are_thirds_and_what_is_not_known_is_in_none() -> None:
    values = np.array([NAN, *range(30)])
    named = subgroups.thirds(values)
    assert named[0] == ""
    assert [int((named == name).sum()) for name in subgroups.NAMES_OF_THIRDS] == [10, 10, 10]
    assert named[1] == "lowest third"
    assert named[30] == "highest third"


def test_thirds_follow_each_other() -> None:
    kinds = subgroups.by_column(np.zeros(60), {"exposure": subgroups.thirds(np.arange(60.0))})
    assert [one.value for one in kinds] == list(subgroups.NAMES_OF_THIRDS)


@pytest.mark.parametrize("values", [[NAN] * 4, [1.0, 2.0], [3.0] * 9])
def test_too_little_makes_no_thirds(values: list[float]) -> None:
    assert set(subgroups.thirds(np.array(values))) == {""}

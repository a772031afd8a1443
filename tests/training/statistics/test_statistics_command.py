"""`manage.py statistics`: every number of any label table, and every bad row by its line."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from sklearn.metrics import cohen_kappa_score

from tests.training.statistics.test_agreement import SHROUT_FLEISS

Rows = list[dict[str, Any]]


def rows_of(grades: np.ndarray) -> Rows:
    """Return a row per grade; reader A is the first row."""
    return [
        {"reader": chr(65 + reader), "image": f"i{image}", "grade": f"{grade:g}"}
        for reader, given in enumerate(grades)
        for image, grade in enumerate(given)
        if np.isfinite(grade)
    ]


def shuffled(rows: Rows) -> Rows:
    return [rows[place] for place in np.random.default_rng(3).permutation(len(rows))]


def write(path: Path, rows: Rows) -> str:
    columns = list(rows[0])
    lines = [",".join(columns), *(",".join(str(row[column]) for column in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def statistics(path: str, **options: Any) -> dict[str, Any]:
    out = io.StringIO()
    call_command("statistics", path, json=True, stdout=out, **options)
    found = json.loads(out.getvalue(), parse_constant=lambda name: pytest.fail(f"{name} is printed"))
    assert isinstance(found, dict)
    return found


def panel(n: int = 5, images: int = 60, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    severity = rng.uniform(1, 5, images)
    grades: np.ndarray = np.clip(np.round(severity + rng.normal(0, 0.6, (n, images))), 1, 5)
    return grades


def test_the_table_of_shrout_and_fleiss_has_their_coefficients(tmp_path: Path) -> None:
    found = statistics(write(tmp_path / "labels.csv", rows_of(SHROUT_FLEISS)))
    values = [found[name]["value"] for name in ("icc_2_1", "icc_2_k", "icc_3_1")]
    assert values == pytest.approx([0.29, 0.62, 0.71], abs=0.005)
    assert [row["code"] for row in found["readers"]] == ["A", "B", "C", "D"]
    assert all(pair["reason"] and pair["n"] == 6 for pair in found["pairwise_kappa"])


def test_the_order_of_the_rows_changes_nothing(tmp_path: Path) -> None:
    rows = rows_of(panel())
    in_order = statistics(write(tmp_path / "labels.csv", rows))
    assert statistics(write(tmp_path / "shuffled.csv", shuffled(rows))) == in_order


def test_readers_of_different_subsets_in_different_order_are_compared_by_image(tmp_path: Path) -> None:
    grades = panel(images=120)
    rng = np.random.default_rng(4)
    grades[rng.random(grades.shape) < 0.4] = np.nan
    rows = shuffled(rows_of(grades))
    found = statistics(write(tmp_path / "labels.csv", rows))
    for pair in found["pairwise_kappa"]:
        one, other = (grades[ord(code) - 65] for code in pair["readers"])
        both = np.isfinite(one + other)
        assert pair["n"] == both.sum()
        assert pair["value"] == pytest.approx(cohen_kappa_score(one[both], other[both], weights="quadratic"))
    first = found["readers"][0]
    assert found["enough"]["grades_needed"] == 4  # of five readers
    grades[:, np.isfinite(grades).sum(axis=0) < 4] = np.nan
    others = np.array([np.nanmean(column) if np.isfinite(column).any() else np.nan for column in grades[1:].T])
    errors = (grades[0] - others)[np.isfinite(grades[0] - others)]
    assert first["rmse_leave_one_out"]["value"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert first["bias"]["value"] == pytest.approx(errors.mean())
    assert first["bias"]["n"] == len(errors)


def test_one_full_and_two_short_readers_have_no_errors_yet(tmp_path: Path) -> None:
    """Of an image with one or two grades the published form would make a small error, or none."""
    grades = panel(3, 90)
    for reader, end in ((1, 30), (2, 20)):
        grades[reader, end:] = np.nan
    alone = [{"reader": "A", "image": f"more{n}", "grade": "3"} for n in range(60)]
    found = statistics(write(tmp_path / "labels.csv", rows_of(grades) + alone))
    assert found["enough"]["grades_needed"] == 3
    assert [row["rmse"]["n"] for row in found["readers"]] == [20, 20, 20]
    golden = [row | {"is_golden": "yes"} for row in rows_of(grades) + alone]
    found = statistics(write(tmp_path / "golden.csv", golden))
    assert [row["rmse"]["value"] for row in found["readers"]] == [None, None, None]
    assert "Fewer than 2 readers have graded half of the 150 golden images" in found["enough"]["sentence"]


def test_images_of_one_reader_are_in_no_comparison(tmp_path: Path) -> None:
    rows = rows_of(panel(2, 30))
    alone = [{"reader": "A", "image": f"alone{n}", "grade": "5"} for n in range(30)]
    found = statistics(write(tmp_path / "labels.csv", rows + alone))
    assert found["readers"] == statistics(write(tmp_path / "shared.csv", rows))["readers"]
    assert (found["images"], found["images_of_one_reader"]) == (30, 30)


def test_golden_images_are_compared_where_the_table_names_them_and_repeats_are_counted_apart(tmp_path: Path) -> None:
    rows: Rows = []
    for place, row in enumerate(rows_of(panel(3, 40))):
        rows.append({**row, "is_golden": "yes" if place % 40 < 25 else "no", "is_repeat": "no"})
        if place % 40 < 10:
            rows.append({**rows[-1], "is_repeat": "yes", "grade": str(1 + int(row["grade"]) % 5)})
    found = statistics(write(tmp_path / "labels.csv", rows))
    assert (found["images"], found["compared_on"]) == (25, "golden images")
    assert [row["rmse"]["n"] for row in found["readers"]] == [25, 25, 25]
    assert [row["repeats"]["sd"]["n"] for row in found["readers"]] == [10, 10, 10]
    assert all(row["repeats"]["sd"]["value"] >= np.sqrt(0.5) for row in found["readers"])


def test_positions_show_who_drifts(tmp_path: Path) -> None:
    grades = panel(4, 100)
    grades[0, 50:] = np.minimum(grades[0, 50:] + 1, 5)
    rows = [{**row, "position": int(row["image"][1:])} for row in rows_of(grades)]
    found = statistics(write(tmp_path / "labels.csv", rows))
    assert [row["drift"]["alarm_at"] is not None for row in found["readers"]] == [True, False, False, False]
    assert found["readers"][0]["sequence"]["position"]["reason"] == "When the images were read is not known."


def test_times_show_sittings(tmp_path: Path) -> None:
    rows = [
        {**row, "graded_at": f"2026-11-0{1 + int(row['image'][1:]) // 20}T09:{int(row['image'][1:]) % 20:02}:00"}
        for row in rows_of(panel(2, 60))
    ]
    found = statistics(write(tmp_path / "labels.csv", rows))
    for row in found["readers"]:
        assert row["sequence"]["position"]["n"] == 60
        assert row["sequence"]["after_previous"]["n"] == 59
        assert row["drift"]["n"] == 60


def test_grades_may_be_names_of_a_scale(tmp_path: Path) -> None:
    rows = rows_of(panel())
    names = ["Clear", "Almost clear", "Mild", "Moderate", "Severe"]
    named = [{**row, "grade": names[int(row["grade"]) - 1]} for row in rows]
    found = statistics(write(tmp_path / "named.csv", named), scale=",".join(names))
    numbered = statistics(write(tmp_path / "labels.csv", rows))
    assert [row["rmse"] for row in found["readers"]] == [row["rmse"] for row in numbered["readers"]]
    assert found["alpha_ordinal"] == numbered["alpha_ordinal"]


@pytest.mark.parametrize(
    "grades",
    [
        np.array([[3.0]]),
        np.array([[3.0, 3, 3, 2]]),
        np.array([[3.0], [2]]),
        np.full((3, 30), 2.0),
        np.stack([np.full(30, 2.0), np.full(30, 4.0), np.tile([1.0, 5], 15)]),
        np.array([[1.0, np.nan], [np.nan, 2]]),
    ],
    ids=["one label", "one reader", "one image", "constant", "constant readers", "nothing shared"],
)
def test_a_table_that_says_little_says_so(tmp_path: Path, grades: np.ndarray) -> None:
    path = write(tmp_path / "labels.csv", rows_of(grades))
    found = statistics(path)
    assert_numbers_or_reasons(found)
    out = io.StringIO()
    call_command("statistics", path, stdout=out)
    assert "nan" not in out.getvalue().lower()


def assert_numbers_or_reasons(document: Any) -> None:
    """Every part that may be an estimate has a value and an interval, or says why not."""
    if isinstance(document, dict):
        if "reason" in document and "low" in document:
            assert document["reason"] or None not in (document["value"], document["low"], document["high"])
        for part in document.values():
            assert_numbers_or_reasons(part)
    elif isinstance(document, list):
        for part in document:
            assert_numbers_or_reasons(part)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("reader;image;grade\n", "has no column reader and no column image and no column grade"),
        ("reader,image,grade\n", "The table has no rows below its heading."),
        ("reader,image,grade\nA,1,mild\n", "Line 2: the grade mild is not a number. Grades are numbers; if they are"),
        ("reader,image,grade\nA,1,2\nA,,2\n", "Line 3: the image is empty."),
        ("reader,image,grade\nA,1,2\nB,1,3\nA,1,3\n", "Line 4: A has graded 1 in line 2 already."),
        ("reader,image,grade\nA,1,nan\n", "Line 2: the grade nan is not a number."),
        ("reader,image,grade,is_golden\nA,1,2,maybe\n", "Line 2: is_golden is maybe; it must be yes or no."),
        ("reader,image,grade,is_golden\nA,1,2,yes\nB,1,2,no\n", "Line 3: is_golden of 1 is not what line 2 says."),
        ("reader,image,grade,position\nA,1,2,first\n", "Line 2: the position first is not a number."),
        ("reader,image,grade,graded_at\nA,1,2,noon\n", "Line 2: graded_at is noon; it must be a time such as"),
        ("reader,image,grade,grade\nA,1,2,3\n", "The column grade is there twice."),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(CommandError) as error:
        call_command("statistics", str(path))
    assert sentence in str(error.value)


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"reader,image,grade\n\xff\xfe,1,2\n")
    with pytest.raises(CommandError, match="is not UTF-8 text"):
        call_command("statistics", str(tmp_path / "labels.csv"))
    with pytest.raises(CommandError, match="can't be read"):
        call_command("statistics", str(tmp_path / "nowhere.csv"))

"""What leaves a study in its zip, and that the script inside computes every printed number anew."""

import codecs
import csv
import io
import json
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from arro3.io import read_parquet
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from labeler.dealing import folds, joining_and_leaving
from labeler.exchange import export
from labeler.exchange.export import image_code
from labeler.exchange.tables import restore
from labeler.golden_set import golden_draw
from labeler.grading import label_store
from labeler.intake import known_names
from labeler.models import Image, Label, Reader, Study, User
from labeler.platform import typed_json
from labeler.privacy import taking_out
from labeler.record import facts, ledger
from tests import builders
from tests.labeler.record.test_ledger import findings, seal
from tests.training.builders import (
    finish_run,
    give_grade,
    grade_everything,
    photographed_study,
    retrain_without_ms2019,
)
from training.export import check_ledger, study_zip
from training.publication import publishing
from training.reports import study_report

# What the script says that it does not recompute: facts of a run, and what rests on more than labels and scores.
NOT_RECOMPUTED = {"study", "title", "made_at", "counted_at", "run", "regressor_id", "labels_until", "training_rows"}
NOT_RECOMPUTED |= {"estimator", "fit_seconds", "from_run", "drift", "sequence", "spearman_r", "subgroups", "choice"}
NOT_RECOMPUTED |= {"validation_rmse_by_seed", "gate", "flags", "decisions", "left_out_readers", "rule"}

FORMULA = '=HYPERLINK("http://evil.example","Alice")'


@pytest.fixture
def graded(study: Study) -> Study:
    grade_everything(study)
    return study


@pytest.fixture
def ran(ana: User, ben: User, tmp_path: Path) -> Study:
    """Return a study with two runs, a changed grade between them, and labels of every kind after them."""
    study = photographed_study((ana, ben), tmp_path / "photographs", images=24, golden_size=8)
    golden, ordinary = (study.images.filter(is_golden=flag).first() for flag in (True, False))
    assert golden is not None
    assert ordinary is not None
    retrain_without_ms2019(study)
    graded = golden.assignments.earliest("pk")
    give_grade(graded, 1 if graded.labels.get().grade == 5 else 5)
    retrain_without_ms2019(study)
    give_grade(golden.assignments.latest("pk"), not_gradable="blurred")
    give_grade(ordinary.assignments.get())
    return study


def unzipped(study: Study, folder: Path, *, with_names: bool = False) -> Path:
    with zipfile.ZipFile(io.BytesIO(b"".join(study_zip.stream(study, with_names=with_names)))) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def recompute(folder: Path) -> tuple[int, str]:
    """Run the script in a bare Python: no packages, no environment, nothing of ours."""
    command = [sys.executable, "-I", "-S", str(folder / "recompute.py")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env={})
    return ended.returncode, ended.stdout + ended.stderr


def assert_identical(folder: Path) -> str:
    """Assert that the script finds nothing that differs, and return what it printed."""
    status, said = recompute(folder)
    assert status == 0, said
    assert verdicts(said, "DIFFERENT") == {}
    return said


def verdicts(said: str, verdict: str) -> dict[str, tuple[str, str]]:
    """Return the rows of the script's table that end so: name -> (as reported, as recomputed)."""
    cells = [re.split(r"\s{2,}", line) for line in said.splitlines()]
    return {row[0]: (row[1], row[2]) for row in cells if row[-1] == verdict}


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def rewrite(folder: Path, table: str, changed: list[dict[str, str]]) -> None:
    with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, changed[0])
        writer.writeheader()
        writer.writerows(changed)


def test_the_script_recomputes_every_printed_number(ran: Study, tmp_path: Path) -> None:
    folder = unzipped(ran, tmp_path / "export")
    said = assert_identical(folder)
    printed = json.loads((folder / "report.json").read_text())
    assert printed == typed_json.dump(study_report.current(ran))
    assert printed["labels_since_run"] == 2
    runs = [run for run in json.loads((folder / "runs.json").read_text()) if run["report"]]
    assert len(runs) == 2
    identical = verdicts(said, "identical")
    name, value = (
        f"runs.{runs[1]['run']}.machine.golden_rmse.value",
        runs[1]["report"]["machine"]["golden_rmse"]["value"],
    )
    assert [float(cell) for cell in identical[name]] == pytest.approx([value, value])
    assert said.splitlines()[-1].startswith("identical: ")


def leaves(document: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, document and key of each value in a report that is no text, as the script names it."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        part = next((value[by] for by in ("code", "recipe") if by in value), key) if isinstance(value, dict) else key
        part = key if isinstance(document, dict) else part
        if isinstance(value, dict | list):
            yield from leaves(value, f"{name}.{part}")
        elif not isinstance(value, str):
            yield f"{name}.{part}", document, key


def another(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return 0.5 if value is None else not value
    return value + 1 if isinstance(value, int) else value * (1 + 1e-6) + 1e-6


def test_each_number_that_is_changed_in_a_report_is_named(ana: User, ben: User, tmp_path: Path) -> None:
    study = builders.make_study(readers=(ana, ben, builders.make_user("dora")), images=80)
    golden_draw.draw(study=study, size=30)
    folds.deal(study=study, design=folds.Design(repeats=20))
    study.refresh_from_db()
    grade_everything(study)
    run = finish_run(study)
    folder = unzipped(study, tmp_path / "export")
    left = set(verdicts(assert_identical(folder), "not recomputed"))
    assert {part for name in left for part in name.split(".")} >= NOT_RECOMPUTED
    assert [name for name in left if NOT_RECOMPUTED.isdisjoint(name.split("."))] == []

    report, runs = (json.loads((folder / name).read_text()) for name in ("report.json", "runs.json"))
    for name, document, part in (("report", report, report), (f"runs.{run.pk}", runs, runs[0]["report"])):
        path = folder / f"{name.split('.')[0]}.json"
        as_exported = path.read_text()
        changed = [row for row in leaves(part, name) if row[0] not in left]
        assert len(changed) > 200
        for _, inside, key in changed:
            inside[key] = another(inside[key])
        path.write_text(json.dumps(document))
        named = set(verdicts(recompute(folder)[1], "DIFFERENT"))
        assert {row[0] for row in changed} == {name for name in named if name.startswith(f"{path.stem}.")}
        path.write_text(as_exported)
    assert_identical(folder)


def test_a_run_is_identical_after_a_reader_joined(ana: User, ben: User, cleo: User, tmp_path: Path) -> None:
    study = builders.make_study(readers=(ana, ben), images=30, golden_size=10)
    grade_everything(study)
    finish_run(study)
    joining_and_leaving.join(study=study, user=cleo)
    for assignment in study.readers.get(code="R03").assignments.filter(image__is_golden=True):
        give_grade(assignment, 3)
    said = assert_identical(unzipped(study, tmp_path / "export"))
    assert "report.readers.R03.rmse.value" in verdicts(said, "identical")


def test_the_script_recomputes_whom_a_machine_is_closer_than_and_how_often_its_interval_held(
    ana: User, ben: User, tmp_path: Path
) -> None:
    """On scores that are made, so that there are enough for an interval and for subgroups."""
    study = builders.make_study(readers=(ana, ben, builders.make_user("dora")), images=80, golden_size=40)
    grade_everything(study)
    run = finish_run(study, published=True)
    assert (run.report or {})["machine"]["interval"]["golden_grades"]["share"]["low"] is not None
    folder = unzipped(study, tmp_path / "export")
    assert_identical(folder)
    report = json.loads((folder / "report.json").read_text())
    assert report["better_than"]["of"] == 3
    report["better_than"]["closer_than"] -= 1
    (folder / "report.json").write_text(json.dumps(report))
    assert list(verdicts(recompute(folder)[1], "DIFFERENT")) == ["report.better_than.closer_than"]


def test_a_run_that_left_images_out_is_identical_even_after_the_clusters_were_corrected(
    ana: User, ben: User, tmp_path: Path
) -> None:
    study = photographed_study((ana, ben), tmp_path / "photographs", images=24, golden_size=8)
    golden = study.images.filter(is_golden=True).earliest("pk")
    ordinary = study.images.filter(is_golden=False).earliest("pk")
    first = min(golden.pk, ordinary.pk)
    study.images.filter(pk__in=[golden.pk, ordinary.pk]).update(cluster=first)
    retrain_without_ms2019(study)
    folder = unzipped(study, tmp_path / "export")
    (run,) = json.loads((folder / "runs.json").read_text())
    assert run["report"]["images"] == {"golden": 8, "ordinary": 15, "left_out": 1}
    assert run["left_out"] == [image_code(study, ordinary.content_hash)]
    assert_identical(folder)
    clusters = [row["cluster"] for row in rows(folder, "images") if row["cluster"]]
    assert clusters == ["c" + image_code(study, study.images.get(pk=first).content_hash)[1:]] * 2

    study.images.update(cluster=None)
    retrain_without_ms2019(study)
    folder = unzipped(study, tmp_path / "another")
    assert [run["report"]["images"]["left_out"] for run in json.loads((folder / "runs.json").read_text())] == [1, 0]
    assert_identical(folder)


def test_the_script_recomputes_the_interval_of_a_score(ana: User, ben: User, tmp_path: Path) -> None:
    study = photographed_study((ana, ben), tmp_path / "photographs", images=56, golden_size=8)
    retrain_without_ms2019(study)
    folder = unzipped(study, tmp_path / "export")
    assert_identical(folder)
    runs = json.loads((folder / "runs.json").read_text())
    interval = runs[-1]["report"]["machine"]["interval"]
    assert interval["half_width"] > 0
    interval["golden_grades"]["held"] += 1
    (folder / "runs.json").write_text(json.dumps(runs))
    name = "machine.interval.golden_grades.held"
    assert {f"runs.{runs[-1]['run']}.{name}", f"report.machine_run.{name}"} == set(
        verdicts(recompute(folder)[1], "DIFFERENT")
    )


def test_one_edited_grade_is_named(graded: Study, tmp_path: Path) -> None:
    folder = unzipped(graded, tmp_path / "export")
    labels = rows(folder, "labels")
    place = next(n for n, row in enumerate(labels) if row["is_golden"] == row["is_current"] == "yes" and row["grade"])
    edited = labels[place]
    edited["grade"] = str(int(edited["grade"]) % 5 + 1)
    rewrite(folder, "labels", labels)
    status, said = recompute(folder)
    assert status == 1
    named = verdicts(said, "DIFFERENT")
    assert [name for name in named if name.startswith("labels.csv")] == [f"labels.csv:{place + 2}.grade_name"]
    assert f"consensus.csv.{edited['image']}" in named
    assert f"report.readers.{edited['reader']}.rmse.value" in named
    assert f"image_labels_new.csv.{edited['reader']}.{edited['image']}" in named


@pytest.mark.parametrize("column", ["grade_name", "is_golden", "version", "is_current"])
def test_a_label_that_other_tables_contradict_is_named_by_its_row(graded: Study, tmp_path: Path, column: str) -> None:
    folder = unzipped(graded, tmp_path / "export")
    labels = rows(folder, "labels")
    labels[3][column] = {"yes": "no", "no": "yes"}.get(labels[3][column], "7")
    rewrite(folder, "labels", labels)
    status, said = recompute(folder)
    assert (status, list(verdicts(said, "DIFFERENT"))) == (1, [f"labels.csv:5.{column}"])


def test_labels_in_another_order_are_named(graded: Study, tmp_path: Path) -> None:
    folder = unzipped(graded, tmp_path / "export")
    labels = rows(folder, "labels")
    labels[3], labels[4] = labels[4], labels[3]
    rewrite(folder, "labels", labels)
    status, said = recompute(folder)
    assert (status, list(verdicts(said, "DIFFERENT"))) == (1, ["labels.csv:6.label"])


def test_an_edited_score_and_an_edited_report_are_named(ran: Study, tmp_path: Path) -> None:
    folder = unzipped(ran, tmp_path / "export")
    scores = rows(folder, "scores")
    scores[0]["score"] = repr(float(scores[0]["score"]) + 0.5)
    rewrite(folder, "scores", scores)
    named = verdicts(recompute(folder)[1], "DIFFERENT")
    assert [name for name in named if name.startswith(f"runs.{scores[0]['run']}.recipes.{scores[0]['recipe']}.")]

    folder = unzipped(ran, tmp_path / "another")
    report = json.loads((folder / "report.json").read_text())
    report["readers"][1]["rmse_leave_one_out"]["value"] += 0.001
    (folder / "report.json").write_text(json.dumps(report))
    status, said = recompute(folder)
    assert status == 1
    assert list(verdicts(said, "DIFFERENT")) == ["report.readers.R02.rmse_leave_one_out.value"]
    assert ", different: 1, " in said.splitlines()[-1]


def test_a_study_that_nobody_graded_is_identical_too(study: Study, tmp_path: Path) -> None:
    assert_identical(unzipped(study, tmp_path / "export"))


def test_the_script_recomputes_the_numbers_with_and_without_images_that_were_taken_out(
    ran: Study, tmp_path: Path
) -> None:
    for is_golden in (True, False):
        image = ran.images.filter(is_golden=is_golden).latest("pk")
        taking_out.take_out(image=image, reason="Not a patient of this study.", by=None)
    seal()
    folder = unzipped(ran, tmp_path / "export")
    identical = verdicts(assert_identical(folder), "identical")
    for number in ("images", "golden_images", "readers.R01.rmse.without.value", "golden_rmse.with_them.value"):
        assert identical[f"report.left_out.{number}"][0] != "None"
    assert [row["is_taken_out"] for row in rows(folder, "images")].count("yes") == 2
    assert check_ledger.inspect(folder, "") == 0
    images = rows(folder, "images")
    for row in images:
        row["is_taken_out"] = "no"
    rewrite(folder, "images", images)
    assert check_ledger.inspect(folder, "") == 1


def test_a_folder_that_is_no_export_says_so(study: Study, tmp_path: Path) -> None:
    folder = unzipped(study, tmp_path / "export")
    (folder / "scores.csv").unlink()
    status, said = recompute(folder)
    assert status == 2
    assert "This is not what the export made" in said
    assert "scores.csv" in said
    assert "Traceback" not in said


def test_all_history_is_there_in_readable_values(graded: Study, tmp_path: Path) -> None:
    assignment = graded.readers.get(code="R01").assignments.get(position=2)
    give_grade(assignment, not_gradable="badly_lit")
    give_grade(assignment)
    first, second, third = (
        row
        for row in rows(unzipped(graded, tmp_path / "export"), "labels")
        if row["reader"] == "R01" and row["position"] == "2"
    )
    assert first["grade_name"] == graded.grade_levels.get(value=first["grade"]).name
    assert (second["grade"], second["not_gradable"], second["version"]) == ("", "Badly lit", "2")
    assert (third["is_undo"], third["version"]) == ("yes", "3")
    assert [row["is_current"] for row in (first, second, third)] == ["no", "no", "no"]
    stored = Label.objects.get(pk=first["label"])
    assert first["labeled_at"] == stored.labeled_at.isoformat().replace("+00:00", "Z")


def test_a_note_that_is_a_formula_is_defused_and_comes_back(graded: Study, tmp_path: Path) -> None:
    assignment = graded.readers.get(code="R01").assignments.get(position=1)
    for note in (FORMULA, "'quoted", "plain, with a comma\nand a line"):
        assignment.refresh_from_db()
        submission = uuid4()
        label_store.record_label(
            assignment=assignment, version=assignment.version, submission=submission, grade=3, note=note
        )
    folder = unzipped(graded, tmp_path / "export")
    notes = [row["note"] for row in rows(folder, "labels") if row["note"]]
    assert notes == [f"'{FORMULA}", "''quoted", "plain, with a comma\nand a line"]
    assert [restore(note) for note in notes] == [FORMULA, "'quoted", "plain, with a comma\nand a line"]
    assert_identical(folder)


def test_parquet_holds_the_same_labels_with_types_and_the_text_as_it_is(graded: Study, tmp_path: Path) -> None:
    assignment = graded.readers.get(code="R01").assignments.get(position=1)
    submission = uuid4()
    label_store.record_label(
        assignment=assignment, version=assignment.version, submission=submission, grade=3, note=FORMULA
    )
    folder = unzipped(graded, tmp_path / "export")
    table = read_parquet(folder / "labels.parquet").read_all()
    in_csv = rows(folder, "labels")
    assert table.schema.names == list(in_csv[0])
    assert [str(value) for value in table["label"].to_pylist()] == [row["label"] for row in in_csv]
    assert table["note"].to_pylist()[-1] == FORMULA
    assert table["is_current"].to_pylist() == [row["is_current"] == "yes" for row in in_csv]
    assert table["labeled_at"].to_pylist()[-1] == Label.objects.latest("pk").labeled_at


def test_nobodys_name_leaves(graded: Study, tmp_path: Path) -> None:
    User.objects.filter(username="ana").update(email="ana@clinic.example", first_name="Anastasia")
    Image.objects.filter(study=graded).update(subject="Petra Patient", source_name="Petra Patient.jpg")
    folder = unzipped(graded, tmp_path / "export")
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    for name in (b"ana@clinic", b"Anastasia", b"Petra", b"olga"):
        assert name not in everything
    assignment = graded.readers.get(code="R01").assignments.earliest("pk")
    assert str(assignment.public_id).encode() not in everything
    people = {row["subject"] for row in rows(folder, "images")}
    assert len(people) == 1
    assert people != {""}


def test_who_runs_the_study_joins_other_data_by_names(graded: Study, tmp_path: Path) -> None:
    image = graded.images.earliest("pk")
    known_names.keep_alias(image, "Kopie von Müller.jpg")
    Image.objects.filter(pk=image.pk).update(source_name="-Müller.jpg", subject="P1", metadata={"größe": "1,80"})
    folder = unzipped(graded, tmp_path / "export", with_names=True)
    found = next(row for row in rows(folder, "images") if row["content_hash"] == image.content_hash)
    own = (found["file_name"], found["other_names"], found["person"], found["metadata.größe"])
    assert own == ("'-Müller.jpg", "Kopie von Müller.jpg", "P1", "1,80")
    assert found["subject"] not in {"", "P1"}
    assert all(path.read_bytes().startswith(codecs.BOM_UTF8) for path in folder.glob("*.csv"))
    assert_identical(folder)


def test_the_page_exports_with_names_or_with_pseudonyms(graded: Study, as_olga: Client, olga: User) -> None:
    graded.admins.add(olga)
    Image.objects.filter(study=graded).update(source_name="Petra.jpg")
    as_olga.post("/studies/acne/unblind/", {"reason": "The study is over.", "next": "/studies/acne/export/"})
    for query, is_named in (("", True), ("?pseudonyms", False)):
        answer = as_olga.get(f"/studies/acne/export/{query}")
        data = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert (b"Petra" in archive.read("images.csv")) == is_named


@pytest.mark.parametrize("with_names", [False, True])
def test_the_codebook_speaks_of_every_column(graded: Study, tmp_path: Path, with_names: bool) -> None:
    folder = unzipped(graded, tmp_path / "export", with_names=with_names)
    explained = {(row["file"], row["column"]) for row in rows(folder, "codebook") if row["meaning"]}
    tables = [path for path in folder.glob("*.csv") if path.stem != "codebook"]
    assert len(tables) == 10
    for path in tables:
        columns = path.read_text("utf-8-sig").splitlines()[0].split(",")
        assert {(path.name, column) for column in columns} <= explained


def test_the_published_layout_has_the_labels_that_count(graded: Study, tmp_path: Path) -> None:
    first, second, third = graded.readers.get(code="R01").assignments.filter(position__lte=3)
    give_grade(first)  # taken back
    give_grade(second, not_gradable="not_acne")
    give_grade(third, not_gradable="blurred")
    published = rows(unzipped(graded, tmp_path / "export"), "image_labels_new")
    latest = {row["image_name"]: row["label"] for row in published if row["labeler"] == "R01"}
    codes = [image_code(graded, assignment.image.content_hash) for assignment in (first, second, third)]
    assert [latest.get(code) for code in codes] == [None, "0", None]
    assert len(latest) == first.reader.assignments.count() - 2


def test_the_same_state_gives_the_same_bytes(graded: Study) -> None:
    assert b"".join(study_zip.stream(graded)) == b"".join(study_zip.stream(graded))


def test_an_export_is_of_one_moment(transactional_db: None, graded: Study, tmp_path: Path) -> None:
    pieces = study_zip.stream(graded)
    begun = b"".join(next(pieces) for _ in range(5))  # as far as report.json, whose queries set the moment

    def meanwhile() -> None:
        give_grade(Reader.objects.get(code="R01").assignments.earliest("pk"), 5)
        connection.close()

    thread = threading.Thread(target=meanwhile)
    thread.start()
    thread.join()
    with zipfile.ZipFile(io.BytesIO(begun + b"".join(pieces))) as archive:
        archive.extractall(tmp_path / "export")
    assert len(rows(tmp_path / "export", "labels")) == Label.objects.count() - 1
    assert_identical(tmp_path / "export")


def test_whoever_runs_the_study_downloads_it(as_olga: Client, graded: Study) -> None:
    as_olga.post(reverse("unblind", args=["acne"]), {"reason": "The study is over."})
    answer = as_olga.get(reverse("training:export", args=["acne"]))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"].startswith('attachment; filename="acne-2')
    assert "no-store" in answer["Cache-Control"]
    names = zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist()
    assert names[:2] == ["README.txt", "recompute.py"]
    assert reverse("training:export", args=["acne"]).encode() in as_olga.get(reverse("study", args=["acne"])).content


def test_readers_and_strangers_download_nothing(as_ana: Client, as_cleo: Client, study: Study) -> None:
    address = reverse("training:export", args=["acne"])
    assert [client.get(address).status_code for client in (as_ana, as_cleo)] == [404, 404]
    assert Client().get(address)["Location"].startswith(reverse("account_login"))
    assert as_ana.post(address).status_code == 405


def test_the_command_writes_the_zip_and_overwrites_none(graded: Study, tmp_path: Path) -> None:
    path = tmp_path / "acne.zip"
    call_command("export_study", "acne", str(path), stdout=io.StringIO())
    assert path.read_bytes() == b"".join(study_zip.stream(graded, with_names=True))
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_study", "acne", str(path))
    with pytest.raises(CommandError, match="can't be written"):
        call_command("export_study", "acne", str(tmp_path / "nowhere" / "acne.zip"))
    assert [file.name for file in tmp_path.glob("acne*")] == ["acne.zip"]


def verify(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the ledger's script in a bare Python."""
    command = [sys.executable, "-I", "-S", str(folder / "check_ledger.py"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env={})
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def sealed(graded: Study, tmp_path: Path) -> Path:
    """Return the export of a graded study whose labels are sealed; one of them has words that a spreadsheet runs."""
    assignment = Label.objects.earliest("pk").assignment
    viewing = label_store.Viewing(visible_ms=900, zoom=1.5, viewport_width=1440, input_kind="pen")
    said = {"not_gradable": "badly_lit", "note": FORMULA, "viewing": viewing}
    label_store.record_label(assignment=assignment, version=assignment.version, submission=uuid4(), **said)  # type: ignore[arg-type]
    seal()
    return unzipped(graded, tmp_path / "export")


def test_the_ledgers_script_finds_an_export_untouched(sealed: Path, graded: Study) -> None:
    last = ledger.blocks(graded).last()
    assert last is not None
    status, said = verify(sealed, "--known", last.digest)
    labels = Label.objects.count()
    sealed_facts = sum(len(facts.current(graded, kind)) for kind in facts.KINDS)
    counted = f"{labels} labels, {ledger.acts(graded).count()} acts and {sealed_facts} states of facts"
    assert (status, said) == (0, f"untouched. {counted} in 1 blocks; the newest: {last.digest}\n")
    assert verify(sealed, "--known", "f" * 64)[0] == 1


@pytest.mark.parametrize("column", ["grade", "note", "visible_ms", "labeled_at", "reader", "is_repeat"])
def test_the_ledgers_script_names_a_changed_label(sealed: Path, column: str) -> None:
    labels = rows(sealed, "labels")
    changed = {"grade": "1" if labels[3]["grade"] != "1" else "2", "is_repeat": "yes", "visible_ms": "7"}
    other = "R02" if labels[3]["reader"] == "R01" else "R01"
    labels[3][column] = {**changed, "note": "hm", "labeled_at": "2020-01-01T00:00:00Z", "reader": other}[column]
    rewrite(sealed, "labels", labels)
    status, said = verify(sealed)
    assert status == 1
    assert said.startswith(f"labels.csv, row 5: label {labels[3]['label']} (reader {labels[3]['reader']}, image ")
    assert "1 findings in" in said


def test_the_ledgers_script_names_what_was_removed_put_in_and_moved(sealed: Path) -> None:
    labels = rows(sealed, "labels")
    removed = labels.pop(2)
    labels[4], labels[5] = labels[5], labels[4]
    labels.insert(0, {**labels[0], "label": str(int(labels[0]["label"]) - 1)})
    rewrite(sealed, "labels", labels)
    said = verify(sealed)[1]
    assert f"Label {removed['label']} was removed from labels.csv: block 1 has it." in said
    assert f"stands after label {labels[5]['label']}, which was stored later." in said
    assert f"label {labels[0]['label']} (reader {labels[0]['reader']}, image {labels[0]['image']}) was put in" in said


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        ("labels", "is_current", "counts and should not."),
        ("images", "is_golden", "is_golden was changed: facts.csv says otherwise."),
        ("grade_scale", "name", "the name of grade 1 was changed: facts.csv says otherwise."),
        ("facts", "text", " was changed: it is not what block 1 has sealed."),
    ],
)
def test_the_ledgers_script_names_what_follows_from_labels_and_facts(
    sealed: Path, table: str, column: str, said: str
) -> None:
    changed = rows(sealed, table)
    row = next((row for row in changed if row[column] == "no"), changed[0])
    row[column] = {"no": "yes", '["acne", "The acne study", false]': '["acne", "Proof", false]'}.get(
        row[column], "Another"
    )
    rewrite(sealed, table, changed)
    status, found = verify(sealed)
    assert status == 1
    assert said in found


def test_the_ledgers_script_names_a_removed_fact(sealed: Path) -> None:
    left = rows(sealed, "facts")
    gone = left.pop()
    rewrite(sealed, "facts", left)
    assert f"facts.csv: {gone['kind']} {gone['id']} was removed: block 1 has it." in verify(sealed)[1]


def test_what_runs_found_is_sealed_and_exported(ran: Study, olga: User, tmp_path: Path) -> None:
    seal()
    run = retrain_without_ms2019(ran, force=True)
    publishing.publish(run=run, by=olga, reason="To see it answer.")
    assert findings() == []
    seal()
    assert findings() == []
    folder = unzipped(ran, tmp_path / "export")
    assert verify(folder)[1].startswith("untouched")
    scores = rows(folder, "scores")
    first = scores[0]["run"]
    scores[0]["score"] = "3.25"
    rewrite(folder, "scores", scores)
    runs = json.loads((folder / "runs.json").read_text())
    runs[-1]["conclusion"] = "Published: better than all."
    runs[0]["is_published"] = not runs[0]["is_published"]
    (folder / "runs.json").write_text(json.dumps(runs))
    said = verify(folder)[1]
    assert f"scores.csv: the scores of run {first} were changed: facts.csv says otherwise." in said
    assert f"runs.json: run {runs[0]['run']} was changed" in said
    assert f"runs.json: run {run.pk} was changed" in said


def test_the_ledgers_script_knows_every_kind() -> None:
    kinds = {name: code for code, name in export.NAMES.items()}
    assert kinds == check_ledger.KINDS


def test_the_ledgers_script_finds_a_ledger_that_was_changed_with_its_label(sealed: Path) -> None:
    entries = rows(sealed, "ledger")
    entries[0]["sha256"] = "0" * 64
    rewrite(sealed, "ledger", entries)
    assert "Block 1: its rows in ledger.csv were changed" in verify(sealed)[1]
    document = json.loads((sealed / "ledger.json").read_text())
    document["blocks"][0]["sealed_at"] = "2020-01-01T00:00:00Z"
    (sealed / "ledger.json").write_text(json.dumps(document))
    assert "Block 1 was changed: its hash" in verify(sealed)[1]
    document["blocks"] = []
    (sealed / "ledger.json").write_text("no JSON")
    assert verify(sealed)[0] == 2


def test_the_ledgers_script_knows_every_word_of_a_label() -> None:
    assert {value: word for word, value in check_ledger.REASONS.items()} == export.REASONS
    assert {value: word for word, value in check_ledger.INPUTS.items()} == export.INPUTS

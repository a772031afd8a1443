"""The export of a study: one zip with all tables, and scripts that recompute and check them."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from labeler.exchange import export, tables, zip_stream
from labeler.exchange.published_layout import PUBLISHED
from labeler.exchange.tables import Column, Kind, Row, Table
from labeler.golden_set import commitments
from labeler.models import Study
from labeler.platform import database_clock, typed_json
from labeler.record import facts, ledger
from training.models import Score, TrainingRun
from training.reports import study_report

SCRIPTS = [Path(__file__).with_name(name) for name in ("recompute.py", "check_ledger.py")]
CHUNK = 2**18  # bytes of a file that are packed at once

README = """\
The study "{title}" ({slug}){simulated}

python3 recompute.py     computes the numbers of report.json and runs.json anew from the tables, and prints each number
                         as reported, as recomputed, and whether the two are identical. Some, such as drift, it marks
                         "not recomputed". It needs Python 3.11 or newer and nothing else.

python3 check_ledger.py [--known HASH]
                         compares labels.csv, facts.csv and the tables that follow from them with the ledger, in which
                         each row was sealed within minutes, and says "untouched" or names each row that was changed,
                         removed or put in. HASH is of a block that you noted earlier. The same Python, nothing else.

codebook.csv             what every column means, with its unit and its allowed values
labels.csv, .parquet     every label that was ever given, as it was stored; is_current marks those that count
image_labels_new.csv     the labels in the layout of the published study
images.csv               every image under a code, with the SHA-256 of its file{own}
readers.csv              every reader under a code; names and addresses are nowhere in this zip
assignments.csv          the readers' lists in the order in which they were dealt
consensus.csv            what the readers together say of each golden image
grade_scale.csv          the grading scale
scores.csv               what each training run's regressors said of images they were not fitted on
facts.csv                rows that may change and on which numbers depend, as the ledger seals them
ledger.json, .csv        blocks that each hold the hash of the one before, and what they seal: labels, facts and, by
                         their hashes alone, the acts of people
report.json              the numbers of the report page
runs.json                every training run with its report, and the images it left out; where details_deleted_at has
                         a date, its rows in scores.csv were deleted then, as of all old runs that never answered
study.json               the study's dates, and the SHA-256 that was published when the golden set was frozen
opening.json             of a closed study: the file that this is the SHA-256 of (check it with sha256sum)

CSV files are UTF-8 with a byte order mark, by which Excel knows it. pandas.read_csv reads them as they are, R with
read.csv(file, fileEncoding = "UTF-8-BOM"). An empty cell is "not known" or "none". A cell of text that a spreadsheet
could take for a formula (it begins with = + - @, a tab or a line break), and one that begins with an apostrophe, has
one apostrophe put before it: take one apostrophe off the front of a cell, where there is one, and you have the
original. The Parquet file has the text as it is.

Notes (labels.csv, column note) are what readers typed. They may name people. Read them before you pass them on.
"""


OWN = """, the name it came under, the
                         person in it and the metadata: it names people. Export again with pseudonyms to pass it on"""


def stream(study: Study, *, with_names: bool = False) -> Iterator[bytes]:
    """Yield the zip's bytes. All of it is of one moment, however long it takes; the same state gives the same bytes.

    `with_names` gives images.csv the names of files, people and metadata: for who runs the study, not to pass on.
    """
    with database_clock.one_moment():
        yield from zip_stream.stream(_entries(study, with_names=with_names))


def _entries(study: Study, *, with_names: bool) -> Iterator[tuple[str, Iterator[bytes]]]:
    of_study = [export.images_by_name(study) if with_names and one is export.IMAGES else one for one in TABLES]
    yield "README.txt", _text(_readme(study, with_names=with_names))
    for script in SCRIPTS:
        yield script.name, _text(script.read_text(encoding="utf-8"))
    yield "codebook.csv", tables.csv_chunks([str(cell) for cell in row] for row in export.codebook(of_study))
    yield "study.json", _document(_study(study))
    promised = commitments.of(study)
    if promised and study.closed_at:
        yield "opening.json", _text(promised.opening)
    yield "ledger.json", _document(_ledger(study))
    yield "report.json", _document(typed_json.dump(study_report.current(study, anew=True)))
    yield "runs.json", _document([_run(run) for run in study.training_runs.order_by("pk")])
    for table in of_study:
        yield f"{table.name}.csv", tables.as_csv(table, study)
    yield "labels.parquet", _parquet(export.LABELS, study)


def _scores(study: Study) -> Iterator[Row]:
    rows = Score.objects.filter(run__study=study, run__details_deleted_at=None).order_by(
        "run", "recipe", "fit", "image__content_hash"
    )
    fields = rows.values_list("run", "recipe", "fit", "image__content_hash", "value")
    for run, recipe, fit, image, value in fields.iterator(export.FETCHED):
        yield run, recipe, fit, export.image_code(study, image), value


SCORES = Table(
    "scores",
    "What each training run's regressors said of golden images and of ordinary ones that were kept out of the fit.",
    (
        Column("run", Kind.WHOLE, "The training run, as in runs.json."),
        Column("recipe", Kind.TEXT, "How the regressor was made."),
        Column("fit", Kind.WHOLE, "0 may be published; n is fitted alike, from the n-th seed after it."),
        export.IMAGE,
        Column("score", Kind.NUMBER, "The machine's score.", unit="grades"),
    ),
    _scores,
)
TABLES = (*export.TABLES, SCORES, PUBLISHED)


def _readme(study: Study, *, with_names: bool) -> str:
    simulated = (
        "\nSIMULATED: its faces are made, and programs graded for the readers marked so." if study.is_simulated else ""
    )
    return README.format(title=study.title, slug=study.slug, simulated=simulated, own=OWN if with_names else "")


def _study(study: Study) -> dict[str, Any]:
    dates = {name: _iso(getattr(study, name)) for name in ("created_at", "golden_drawn_at", "dealt_at", "closed_at")}
    promised = commitments.of(study)
    return {
        "study": study.slug,
        "title": study.title,
        "is_simulated": study.is_simulated,
        "commitment": promised.digest if promised else None,
        **dates,
    }


def _ledger(study: Study) -> dict[str, Any]:
    """Return the study's chain; ledger.csv has the rows of its blocks."""
    blocks = [
        {
            "number": block.number,
            "previous": block.previous,
            "rows_sha256": block.rows_sha256,
            "heads": block.heads,
            "sealed_at": ledger.time(block.sealed_at),
            "digest": block.digest,
        }
        for block in ledger.blocks(study).defer("rows")
    ]
    salts = {kind.name: facts.salt(study, kind) for kind in facts.KINDS if kind.is_exported}
    return {"chain": ledger.chain_name(study), "salts": salts, "blocks": blocks}


def _run(run: TrainingRun) -> dict[str, Any]:
    names = ("requested_at", "started_at", "finished_at", "details_deleted_at")
    dates = {name: _iso(getattr(run, name)) for name in names}
    return {
        "run": run.pk,
        "state": run.state,
        **dates,
        "is_published": run.is_published,
        "conclusion": run.conclusion,
        "label_snapshot": run.label_snapshot,
        "left_out": [export.image_code(run.study, content_hash) for content_hash in run.left_out],
        "report": run.report,
    }


def _iso(time: Any) -> str | None:
    return time.isoformat() if time else None


def _document(document: object) -> Iterator[bytes]:
    return _text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _text(text: str) -> Iterator[bytes]:
    yield text.encode()


def _parquet(table: Table, study: Study) -> Iterator[bytes]:
    """Write the file to disk first: its writer gives nothing away until it has been told everything."""
    with tempfile.TemporaryFile() as file:
        tables.write_as_parquet(table, study, file)
        file.seek(0)
        yield from _chunks(file)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk

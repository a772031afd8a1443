"""Check the exported tables beside this file against the ledger, and name each label that differs.

    python3 check_ledger.py [FOLDER] [--known HASH]

It needs Python 3.11 or newer and nothing else: it shares no code with the program that kept the ledger. It computes
every label's hash from labels.csv, every block's from the rows it seals and the block before, and compares. HASH is a
block's that was noted earlier, such as from an older export: it must be in the chain. Acts of people (the audit log)
are in the chain by their hashes alone, as their words do not leave the installation; a fact that was changed by none of
them is named all the same. Exit status: 0 untouched,
1 with each finding on a line, 2 unreadable.
"""

import csv
import hashlib
import json
import struct
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ENTRY = struct.Struct(">cq32s")
KINDS = {
    "label": b"L",
    "act": b"A",
    "by": b"=",
    "before": b"<",
    "study": b"S",
    "state": b"T",
    "draws": b"N",
    "grade level": b"V",
    "reader": b"R",
    "acceptance": b"Y",
    "consent": b"C",
    "promise": b"M",
    "image": b"I",
    "golden": b"G",
    "permission": b"U",
    "taken out": b"O",
    "picture": b"P",
    "file": b"F",
    "screening": b"K",
    "measures": b"Q",
    "dealing": b"H",
    "place": b"D",
    "erasure": b"J",
    "image to erase": b"Z",
    "judging rule": b"j",
    "reader decision": b"o",
    "run": b"W",
    "scores": b"X",
    "learned from": b"E",
    "regressor": b"B",
}
BEGINNING, NOBODY = 0, -1  # what a "by" has in the place of an act
# Facts of an image that an erasure in the background empties, and those that may be new without an act.
EMPTIED = {"image", "picture", "file", "screening", "measures"}
NEW = EMPTIED | {"golden", "permission", "taken out"}
# Columns of images.csv: which fact has the same, at which place.
MARKS = {
    "is_golden": ("golden", 1),
    "is_taken_out": ("taken out", 1),
    "may_be_trained_on": ("permission", 2),
    "may_be_shared": ("permission", 3),
    "is_erased": ("permission", 4),
}
FACTS = KINDS.keys() - {"label", "act", "by", "before"}
FIRST = "0" * 64
GONE = "0" * 64
# labels.csv has words where a label has these.
REASONS = {
    "Blurred": "blurred",
    "Badly lit": "badly_lit",
    "Not a face": "not_a_face",
    "Not acne": "not_acne",
    "Covered or made up": "occluded",
    "Seen before": "duplicate",
    "Something else": "other",
}
INPUTS = {"Keyboard": "keyboard", "Mouse": "mouse", "Touch": "touch", "Pen": "pen"}

Row = dict[str, str]
Texts = dict[tuple[str, str], list[Any]]  # of facts: kind and id -> what it says


def main() -> int:
    parser = ArgumentParser(description="Hold an export against its ledger.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--known", default="", help="hash of a block that was noted earlier")
    options = parser.parse_args()
    try:
        return inspect(options.folder, options.known)
    except (OSError, ValueError, LookupError, AttributeError, csv.Error, struct.error) as error:
        sys.stderr.write(f"This is not what the export made: {type(error).__name__}: {error}\n")
        return 2


def inspect(folder: Path, known: str) -> int:
    ledger = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    sealed = list(_rows(folder / "ledger.csv"))
    of_labels = [*inspect_labels(folder, sealed), *inspect_current(folder)]
    findings = [
        *inspect_chain(ledger, sealed),
        *(of_labels or inspect_places(folder)),  # a label that was named is the reason for what does not fit it
        *inspect_changes(folder, sealed),
        *inspect_facts(folder, ledger["salts"], sealed),
        *inspect_tables(folder),
        *inspect_runs(folder),
    ]
    if known and known not in {block["digest"] for block in ledger["blocks"]}:
        findings.append(f"There is no block with the hash {known}: it is gone, or what it sealed was changed.")
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    labels = sum(row["kind"] == "label" for row in sealed)
    acts = sum(row["kind"] == "act" for row in sealed)
    facts = sum(row["kind"] in FACTS for row in sealed)
    counted = f"{labels} labels, {acts} acts and {facts} states of facts in {len(ledger['blocks'])} blocks"
    if findings:
        sys.stdout.write(f"{len(findings)} findings in {counted}.\n")
        return 1
    newest = ledger["blocks"][-1]["digest"] if ledger["blocks"] else "none yet"
    sys.stdout.write(f"untouched. {counted}; the newest: {newest}\n")
    return 0


def inspect_chain(ledger: dict[str, Any], sealed: list[Row]) -> Iterator[str]:
    """Compute every block's hash from its rows and from the block before it."""
    rows_of: dict[int, list[Row]] = {}
    for row in sealed:
        rows_of.setdefault(int(row["block"]), []).append(row)
    number, previous = 0, FIRST
    for block in ledger["blocks"]:
        if block["number"] != number + 1:
            yield f"Block {number + 1} is missing from the ledger."
        elif block["previous"] != previous:
            yield f"Block {block['number']} does not follow the block before it: one of the two was changed."
        rows = rows_of.get(block["number"], [])
        packed = b"".join(ENTRY.pack(KINDS[row["kind"]], int(row["id"]), bytes.fromhex(row["sha256"])) for row in rows)
        if hashlib.sha256(packed).hexdigest() != block["rows_sha256"]:
            yield f"Block {block['number']}: its rows in ledger.csv were changed, removed or put into another order."
        said = {"chain": ledger["chain"], **{key: value for key, value in block.items() if key != "digest"}}
        if _sha256(json.dumps(said, sort_keys=True, separators=(",", ":"))) != block["digest"]:
            yield f"Block {block['number']} was changed: its hash is not that of what it says."
        number, previous = block["number"], block["digest"]


def inspect_labels(folder: Path, sealed: list[Row]) -> Iterator[str]:
    """Hold labels.csv, with what images.csv says of its images, against the sealed hashes."""
    hash_of = {row["image"]: row["content_hash"] for row in _rows(folder / "images.csv")}
    known = {int(row["id"]): row for row in sealed if row["kind"] == "label"}
    newest, last, seen = max(known, default=-1), None, set()
    for line, row in enumerate(_rows(folder / "labels.csv"), start=2):
        label = int(row["label"])
        where = f"labels.csv, row {line}: label {label} (reader {row['reader']}, image {row['image']})"
        if label in known:
            if hash_label(row, hash_of.get(row["image"], ""), known[label]) != known[label]["sha256"]:
                yield f"{where} was changed: it is not what block {known[label]['block']} has sealed."
        elif label <= newest:
            yield f"{where} was put in later: no block has it."
        if last is not None and label <= last:
            yield f"{where} stands after label {last}, which was stored later."
        last = label
        seen.add(label)
    for label in sorted(known.keys() - seen):
        yield f"Label {label} was removed from labels.csv: block {known[label]['block']} has it."


def inspect_current(folder: Path) -> Iterator[str]:
    """Compute which labels count, the latest of each assignment unless it takes one back, and compare."""
    counting = {row["label"] for row in _latest(folder).values() if row["is_undo"] == "no"}
    for row in _rows(folder / "labels.csv"):
        if (row["is_current"] == "yes") != (row["label"] in counting):
            wrongly = "counts and should not" if row["is_current"] == "yes" else "should count and does not"
            yield f"Label {row['label']} (reader {row['reader']}, image {row['image']}) {wrongly}."


def inspect_places(folder: Path) -> Iterator[str]:
    """Compare what lists say is done with the labels, and what is golden with images.csv."""
    done = {key for key, row in _latest(folder).items() if row["is_undo"] == "no"}
    golden = {row["image"] for row in _rows(folder / "images.csv") if row["is_golden"] == "yes"}
    places = list(_rows(folder / "assignments.csv"))
    for row in places:
        if (row["is_done"] == "yes") != ((row["reader"], row["image"], row["is_repeat"]) in done):
            yield f"assignments.csv: is_done of image {row['image']} of reader {row['reader']} does not fit its labels."
    for row in [*_rows(folder / "labels.csv"), *places]:
        if (row["is_golden"] == "yes") != (row["image"] in golden):
            yield f"Image {row['image']}, reader {row['reader']}: is_golden was changed: images.csv says otherwise."


def _latest(folder: Path) -> dict[tuple[str, str, str], Row]:
    """Return reader, image and is_repeat -> the row of the latest label."""
    latest: dict[tuple[str, str, str], Row] = {}
    for row in _rows(folder / "labels.csv"):
        key = (row["reader"], row["image"], row["is_repeat"])
        if key not in latest or int(row["version"]) > int(latest[key]["version"]):
            latest[key] = row
    return latest


def inspect_changes(folder: Path, sealed: list[Row]) -> Iterator[str]:
    """Name each fact that was not as it was sealed before when it was changed, or that no act changed."""
    acts = {row["id"]: row["block"] for row in sealed if row["kind"] == "act"}
    erasure_of = {key: str(fact[0]) for (kind, key), fact in _texts(folder).items() if kind == "image to erase"}
    last: dict[tuple[str, str], str] = {}
    to_erase: set[str] = set()
    begun = ""
    for row, by, before in _changes(sealed):
        kind, key, block = row["kind"], row["id"], row["block"]
        if by == BEGINNING:
            begun = begun or block
            is_explained = block == begun
        elif by == NOBODY:
            is_new = before == GONE and kind in NEW
            is_explained = is_new or (kind in EMPTIED and key in to_erase)
        else:
            is_explained = acts.get(str(by)) == block
        if not is_explained or (by != BEGINNING and last.get((kind, key), GONE) != before):
            yield f"{kind} {key} was changed before block {block}, and no act says so."
        if kind == "image to erase":
            to_erase.add(key)
        elif kind == "erasure" and before != GONE:  # its certificate ends it
            to_erase = {image for image in to_erase if erasure_of.get(image) != key}
        last[kind, key] = row["sha256"]


def _changes(sealed: list[Row]) -> Iterator[tuple[Row, int, str]]:
    """Yield each state of a fact with what changed it and its hash before; not those of a release before this one.

    That sealed states as it found them, which stand in a block before its first "by".
    """
    block, by, before = "", None, GONE
    for row in sealed:
        if row["block"] != block:
            block, by, before = row["block"], None, GONE
        if row["kind"] == "by":
            by = int(row["id"])
        elif row["kind"] == "before":
            before = row["sha256"]
        elif row["kind"] in FACTS and by is not None:
            yield row, by, before
            before = GONE


def inspect_facts(folder: Path, salts: dict[str, str], sealed: list[Row]) -> Iterator[str]:
    """Compare facts.csv with what was sealed last of each row."""
    last = _last_sealed(sealed)
    now = {(row["kind"], row["id"]): row["sha256"] or _hash_fact(row, salts) for row in _rows(folder / "facts.csv")}
    begun = any(row["kind"] == "by" for row in sealed)
    for kind, key in sorted(last.keys() | now.keys()):
        seal, sha256 = last.get((kind, key)), now.get((kind, key), GONE)
        if seal is None:
            if begun and sha256 != GONE:
                yield f"facts.csv: {kind} {key} was put in: no block has it."
        elif sha256 == GONE != seal["sha256"]:
            yield f"facts.csv: {kind} {key} was removed: block {seal['block']} has it."
        elif sha256 != seal["sha256"]:
            yield f"facts.csv: {kind} {key} was changed: it is not what block {seal['block']} has sealed."


def _last_sealed(sealed: list[Row]) -> dict[tuple[str, str], Row]:
    """Return each fact as it was sealed last: what was found counts only until changes are sealed."""
    changed = {(row["kind"], row["id"]): row for row, _, _ in _changes(sealed)}
    return changed or {(row["kind"], row["id"]): row for row in sealed if row["kind"] in FACTS}


def _hash_fact(row: Row, salts: dict[str, str]) -> str:
    return _sha256(f"{salts[row['kind']]} {row['kind']} {row['id']} {row['text']}")


def inspect_tables(folder: Path) -> Iterator[str]:
    """Compare what other tables say too, of images, lists, readers and the grading scale, with facts.csv."""
    facts = _texts(folder)
    codes = {row["content_hash"]: row["image"] for row in _rows(folder / "images.csv")}
    image_of = {key: codes.get(fact[0], "") for (kind, key), fact in facts.items() if kind == "golden"}
    readers = {key: fact for (kind, key), fact in facts.items() if kind == "reader"}
    yield from _inspect_images(folder, facts, image_of)
    levels = {str(fact[0]): fact for (kind, _), fact in facts.items() if kind == "grade level"}
    for row in _rows(folder / "grade_scale.csv"):
        for place, column in ((1, "name"), (2, "criterion")):
            if levels.get(row["value"], ["", "", ""])[place] != row[column]:
                yield f"grade_scale.csv: the {column} of grade {row['value']} was changed: facts.csv says otherwise."
    for row in _rows(folder / "readers.csv"):
        if (row["reader"], row["is_simulated"] == "yes") not in {(fact[0], fact[2]) for fact in readers.values()}:
            yield f"readers.csv: reader {row['reader']} was changed: facts.csv says otherwise."
    places = Counter(
        (readers.get(str(fact[0]), [""])[0], image_of.get(str(fact[1]), ""), fact[2], fact[3])
        for (kind, _), fact in facts.items()
        if kind == "place"
    )
    shown = Counter(
        (row["reader"], row["image"], row["is_repeat"] == "yes", _whole(row["position"]))
        for row in _rows(folder / "assignments.csv")
    )
    for reader, image, _, position in sorted({*(places - shown), *(shown - places)}, key=str):
        yield f"assignments.csv: image {image} of reader {reader} at {position} was changed: facts.csv says otherwise."


def _inspect_images(folder: Path, facts: Texts, image_of: dict[str, str]) -> Iterator[str]:
    by_hash = {(kind, fact[0]): fact for (kind, _), fact in facts.items()}
    for row in _rows(folder / "images.csv"):
        name = row["content_hash"]
        marks = {column: by_hash.get((kind, name), [None] * 5)[at] for column, (kind, at) in MARKS.items()}
        said = {column: "yes" if is_so else "no" for column, is_so in marks.items()}
        _, original, _, width, height, _ = by_hash.get(("file", name), [None] * 6)
        said |= {"width": str(width), "height": str(height), "has_file": "yes" if original else "no"}
        cluster = by_hash.get(("screening", name), [None] * 2)[1]
        said["cluster"] = f"c{image_of.get(str(cluster), '')[1:]}" if cluster else ""
        for column, cell in said.items():
            if row[column] != cell:
                yield f"images.csv: image {row['image']} {column} was changed: facts.csv says otherwise."


def inspect_runs(folder: Path) -> Iterator[str]:
    """Compare runs.json and scores.csv with facts.csv."""
    said = _texts(folder)
    runs = json.loads((folder / "runs.json").read_text(encoding="utf-8"))
    hash_of = {row["image"]: row["content_hash"] for row in _rows(folder / "images.csv")}
    shown = {str(run["run"]) for run in runs if run["report"] is not None}
    for key in sorted({key for kind, key in said if kind == "run"} - shown):
        yield f"runs.json: run {key} was removed: facts.csv has it."
    for run in runs:
        left_out = [hash_of.get(code, code) for code in run["left_out"]]
        now = [run["label_snapshot"], left_out, run["conclusion"], run["is_published"], run["report"]]
        if run["report"] is not None and now != said.get(("run", str(run["run"])), [])[: len(now)]:
            yield f"runs.json: run {run['run']} was changed: facts.csv says otherwise."
    scores: dict[str, list[tuple[str, int, str, str]]] = {key: [] for kind, key in said if kind == "scores"}
    for row in _rows(folder / "scores.csv"):
        value = struct.pack(">d", float(row["score"])).hex()
        scores.setdefault(row["run"], []).append((row["recipe"], int(row["fit"]), hash_of.get(row["image"], ""), value))
    for key, rows in scores.items():
        lines = [" ".join([recipe, str(fit), *rest]) for recipe, fit, *rest in sorted(rows)]
        if said.get(("scores", key)) != [_sha256("; ".join(lines))]:
            yield f"scores.csv: the scores of run {key} were changed: facts.csv says otherwise."


def hash_label(row: Row, content_hash: str, sealed: Row) -> str:
    note = sealed["note_sha256"] if sealed["note_sha256"] and not row["note"] else ""
    facts = [
        "label",
        int(row["label"]),
        content_hash,
        row["reader"],
        row["is_repeat"] == "yes",
        int(row["version"]),
        _whole(row["grade"]),
        REASONS.get(row["not_gradable"], row["not_gradable"]),
        note or _sha256(f"{sealed['submission']}:{row['note']}"),
        row["is_undo"] == "yes",
        _whole(row["visible_ms"]),
        _number(row["zoom"]),
        _whole(row["viewport_width"]),
        _whole(row["viewport_height"]),
        _number(row["pixel_ratio"]),
        INPUTS.get(row["input_kind"], row["input_kind"]),
        row["labeled_at"],
    ]
    return _sha256(json.dumps(facts, ensure_ascii=False, separators=(",", ":")))


def _texts(folder: Path) -> Texts:
    """Return what facts.csv says, where it says it in words."""
    rows = [row for row in _rows(folder / "facts.csv") if row["text"]]
    return {(row["kind"], row["id"]): json.loads(row["text"]) for row in rows}


def _whole(cell: str) -> int | None:
    return int(cell) if cell else None


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _rows(path: Path) -> Iterator[Row]:
    """Yield a table's rows; the apostrophe that defuses formulas is taken off each cell again."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            yield {column: cell.removeprefix("'") for column, cell in row.items()}


if __name__ == "__main__":
    sys.exit(main())

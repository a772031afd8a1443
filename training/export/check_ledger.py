"""Check the exported tables beside this file against the ledger, and name each label that differs.

    python3 check_ledger.py [FOLDER] [--known HASH]

It needs Python 3.11 or newer and nothing else: it shares no code with the program that kept the ledger. It computes
every label's hash from labels.csv, every block's from the rows it seals and the block before, and compares. HASH is a
block's that was noted earlier, such as from an older export: it must be in the chain. Acts of people (the audit log)
are in the chain by their hashes alone, as their words do not leave the installation. Exit status: 0 untouched,
1 with each finding on a line, 2 unreadable.
"""

import csv
import hashlib
import json
import struct
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ENTRY = struct.Struct(">cq32s")
KINDS = {
    "label": b"L",
    "act": b"A",
    "study": b"S",
    "state": b"T",
    "grade level": b"V",
    "reader": b"R",
    "image": b"I",
    "golden": b"G",
    "permission": b"U",
    "picture": b"P",
    "taken out": b"O",
    "consent": b"C",
    "promise": b"M",
}
# Columns of images.csv: which fact has the same, at which place.
MARKS = {
    "is_golden": ("golden", 1),
    "is_taken_out": ("taken out", 1),
    "may_be_trained_on": ("permission", 2),
    "may_be_shared": ("permission", 3),
    "is_erased": ("permission", 4),
}
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
    findings = [
        *inspect_chain(ledger, sealed),
        *inspect_labels(folder, sealed),
        *inspect_current(folder),
        *inspect_facts(folder, ledger["salts"], sealed),
        *inspect_tables(folder),
    ]
    if known and known not in {block["digest"] for block in ledger["blocks"]}:
        findings.append(f"There is no block with the hash {known}: it is gone, or what it sealed was changed.")
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    labels = sum(row["kind"] == "label" for row in sealed)
    acts = sum(row["kind"] == "act" for row in sealed)
    facts = len(sealed) - labels - acts
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
    latest: dict[tuple[str, str, str], Row] = {}
    rows = list(_rows(folder / "labels.csv"))
    for row in rows:
        key = (row["reader"], row["image"], row["is_repeat"])
        if key not in latest or int(row["version"]) > int(latest[key]["version"]):
            latest[key] = row
    counting = {row["label"] for row in latest.values() if row["is_undo"] == "no"}
    for row in rows:
        if (row["is_current"] == "yes") != (row["label"] in counting):
            wrongly = "counts and should not" if row["is_current"] == "yes" else "should count and does not"
            yield f"Label {row['label']} (reader {row['reader']}, image {row['image']}) {wrongly}."


def inspect_facts(folder: Path, salts: dict[str, str], sealed: list[Row]) -> Iterator[str]:
    """Compare facts.csv with what was sealed last of each row. What was not sealed yet is left to the next export."""
    last = {(row["kind"], row["id"]): row for row in sealed if row["kind"] in salts}
    now = {(row["kind"], row["id"]): row["text"] for row in _rows(folder / "facts.csv")}
    for kind, key in sorted(last.keys() | now.keys()):
        seal, text = last.get((kind, key)), now.get((kind, key))
        if seal is None:
            continue
        gone = seal["sha256"] == GONE
        if text is None and not gone:
            yield f"facts.csv: {kind} {key} was removed: block {seal['block']} has it."
        elif text is not None and _sha256(f"{salts[kind]} {kind} {key} {text}") != seal["sha256"]:
            yield f"facts.csv: {kind} {key} was changed: it is not what block {seal['block']} has sealed."


def inspect_tables(folder: Path) -> Iterator[str]:
    """Compare what other tables say too, of images and of the grading scale, with facts.csv."""
    facts = [(row["kind"], json.loads(row["text"])) for row in _rows(folder / "facts.csv")]
    said = {(kind, fact[0]): fact for kind, fact in facts}
    for row in _rows(folder / "images.csv"):
        for column, (kind, place) in MARKS.items():
            fact = said.get((kind, row["content_hash"]))
            if fact is None or (row[column] == "yes") != fact[place]:
                yield f"images.csv: image {row['image']} {column} was changed: facts.csv says otherwise."
    levels = {str(fact[0]): fact[1] for kind, fact in facts if kind == "grade level"}
    for row in _rows(folder / "grade_scale.csv"):
        if levels.get(row["value"]) != row["name"]:
            yield f"grade_scale.csv: the name of grade {row['value']} was changed: facts.csv says otherwise."


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

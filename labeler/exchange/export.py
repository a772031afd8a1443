"""A study's tables for export: full history, readable values, pseudonyms for readers and people."""

from collections.abc import Iterator, Sequence

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Case, Count, Func, OuterRef, Q, Subquery, TextField, When

from labeler.exchange.tables import Column, Kind, Row, Table
from labeler.grading import consensus
from labeler.models import Assignment, ErasedNote, Image, InputKind, Label, NotGradable, Study
from labeler.record import changes, facts, keyed_draws, ledger, pseudonyms

FETCHED = 2000  # rows that a cursor of the database hands over
BETWEEN = " | "  # several names in a cell

REASONS: dict[str, str] = {reason.value: str(reason.label) for reason in NotGradable}
INPUTS: dict[str, str] = {kind.value: str(kind.label) for kind in InputKind}

IMAGE = Column("image", Kind.TEXT, "The image's code in this export: the same in every table and every later export.")
READER = Column("reader", Kind.TEXT, "The reader's code. Who it is stands in no table.")
POSITION = Column("position", Kind.WHOLE, "Place in the reader's list, from 1; empty where it was taken off later.")
REPEAT = Column(
    "is_repeat", Kind.YES_NO, "Whether the reader meets the image for the second time. Only the first counts."
)
GRADE_VALUES = "the values of grade_scale.csv"


def image_code(study: Study, content_hash: str) -> str:
    """Return what the export calls an image: neither its name, nor its row, nor an address that a reader knows."""
    return "i" + keyed_draws.code(study, f"image {content_hash}")


def cluster_code(study: Study, content_hash: str | None) -> str:
    """Return what a cluster of near-duplicates is called, by the hash of its first image."""
    return f"c{image_code(study, content_hash)[1:]}" if content_hash else ""


def _labels(study: Study) -> Iterator[Row]:
    names = dict(study.grade_levels.values_list("value", "name"))
    rows = (
        Label.objects.filter(assignment__reader__study=study)
        .order_by("pk")
        .values_list(
            *("pk", "assignment__image__content_hash", "assignment__reader__code", "assignment__position"),
            *("assignment__is_repeat", "version"),
            *("grade", "not_gradable", "note", "is_undo"),
            *("visible_ms", "zoom", "viewport_width", "viewport_height", "pixel_ratio", "input_kind"),
            *("labeled_at", "assignment__version", "assignment__image__is_golden"),
        )
    )
    for pk, image, reader, position, is_repeat, version, grade, reason, note, is_undo, *rest in rows.iterator(FETCHED):
        *viewing, input_kind, labeled_at, newest, is_golden = rest
        yield (
            *(pk, image_code(study, image), reader, position, is_repeat, version),
            *(grade, names.get(grade, ""), REASONS.get(reason, ""), note, is_undo),
            *(*viewing, INPUTS.get(input_kind, "")),
            *(labeled_at, version == newest and not is_undo, is_golden),
        )


LABELS = Table(
    "labels",
    "Every label that was ever given, in the order in which they were stored.",
    (
        Column("label", Kind.WHOLE, "Running number: a larger one was stored later."),
        IMAGE,
        READER,
        POSITION,
        REPEAT,
        Column("version", Kind.WHOLE, "Counts the labels of this reading; the largest is the latest."),
        Column("grade", Kind.WHOLE, "The grade; empty where none was given.", values=GRADE_VALUES),
        Column("grade_name", Kind.TEXT, "The grade in words."),
        Column(
            "not_gradable",
            Kind.TEXT,
            "Why the reader gave no grade; empty where they did.",
            values="; ".join(REASONS.values()),
        ),
        Column("note", Kind.TEXT, "What the reader wrote. It may name people: read it before you pass it on."),
        Column("is_undo", Kind.YES_NO, "Whether this takes the label before it back."),
        Column("visible_ms", Kind.WHOLE, "How long the decoded image was on the screen.", unit="milliseconds"),
        Column("zoom", Kind.NUMBER, "Largest zoom used; 1 is the whole image in the window.", unit="times"),
        Column("viewport_width", Kind.WHOLE, "Width of the reader's window.", unit="CSS pixels"),
        Column("viewport_height", Kind.WHOLE, "Height of the reader's window.", unit="CSS pixels"),
        Column("pixel_ratio", Kind.NUMBER, "Sharpness of the reader's screen.", unit="device pixels per CSS pixel"),
        Column("input_kind", Kind.TEXT, "What the reader graded with.", values="; ".join(INPUTS.values())),
        Column("labeled_at", Kind.TIME, "When the label was given."),
        Column("is_current", Kind.YES_NO, "Whether this is what the reader says of the image now."),
        Column(
            "is_golden", Kind.YES_NO, "Whether the image is golden: every reader grades it, nothing is trained on it."
        ),
    ),
    _labels,
)


def _images(study: Study) -> Iterator[Row]:
    first = Image.objects.filter(pk=OuterRef("cluster")).values("content_hash")
    dealt = Assignment.objects.filter(image=OuterRef("pk"), withdrawn_in=None).order_by("pk")
    fold = Case(When(is_golden=False, then=Subquery(dealt.values("reader__code")[:1])), default=None)
    annotated = study.images.order_by("content_hash").annotate(first=Subquery(first), in_fold=fold)
    rows = annotated.values_list(
        *("content_hash", "width", "height", "subject", "first", "is_golden", "in_fold", "original"),
        *("is_erased", "is_taken_out", "may_be_trained_on", "may_be_shared"),
    )
    for content_hash, width, height, subject, cluster, is_golden, fold, original, *marks in rows.iterator(FETCHED):
        yield (
            *(image_code(study, content_hash), content_hash, width, height),
            *(
                pseudonyms.of_subject(study, subject),
                cluster_code(study, cluster),
                is_golden,
                fold or "",
                bool(original),
            ),
            *marks,
        )


IMAGES = Table(
    "images",
    "Every image of the study, by its hash.",
    (
        IMAGE,
        Column(
            "content_hash", Kind.TEXT, "SHA-256 of the file as it came; no-file:... where only labels were imported."
        ),
        Column("width", Kind.WHOLE, "Width of the photograph, the right way up; 0 without a file.", unit="pixels"),
        Column("height", Kind.WHOLE, "Height of the photograph, the right way up; 0 without a file.", unit="pixels"),
        Column("subject", Kind.TEXT, "Pseudonym of the person in it; empty where not known."),
        Column("cluster", Kind.TEXT, "Code shared by near-duplicates, confirmed or suspected; empty without any."),
        Column("is_golden", Kind.YES_NO, "Whether every reader grades it and nothing is trained on it."),
        Column(
            "fold",
            Kind.TEXT,
            "Code of the reader (of several, the first) whose fold it is in; empty if golden or undealt.",
        ),
        Column("has_file", Kind.YES_NO, "Whether the study holds its pixels."),
        Column("is_erased", Kind.YES_NO, "Whether it was erased since; what was said of it stays."),
        Column("is_taken_out", Kind.YES_NO, "Whether an admin took it out, for a reason that the audit log has."),
        Column(
            "may_be_trained_on",
            Kind.YES_NO,
            "Whether its grades count: no where it was taken out or erased, or its subject does not agree.",
        ),
        Column("may_be_shared", Kind.YES_NO, "Whether its subject agreed to sharing, or no consent was needed."),
    ),
    _images,
)


def images_by_name(study: Study) -> Table:
    """Return the table of images with what their owner knows: names of files, the person, and the metadata.

    It is for joining other data, not for passing on.
    """
    key = Func("metadata", function="jsonb_object_keys", output_field=TextField())
    keys = sorted(study.images.order_by().values_list(key, flat=True).distinct())
    own = (
        Column("file_name", Kind.TEXT, "Name of the file when it came."),
        Column("other_names", Kind.TEXT, f"Other names of the same file, with {BETWEEN.strip()} between them."),
        Column("person", Kind.TEXT, "The person in it, as the table of metadata named them; empty where not known."),
        *(Column(f"metadata.{key}", Kind.TEXT, "As the table of metadata had it.") for key in keys),
    )

    def rows(study: Study) -> Iterator[Row]:
        names = ArrayAgg("aliases__name", filter=Q(aliases__isnull=False), order_by="aliases__pk", default=[])
        images = study.images.order_by("content_hash").annotate(names=names)
        known = images.values_list("source_name", "names", "subject", "metadata").iterator(FETCHED)
        for row, (name, others, subject, metadata) in zip(_images(study), known, strict=True):
            values = [metadata.get(key) for key in keys]
            cells = [value if value is None else str(value) for value in values]
            yield (*row, name, BETWEEN.join(others), subject, *cells)

    return Table(IMAGES.name, IMAGES.about, (*IMAGES.columns, *own), rows)


def _readers(study: Study) -> Iterator[Row]:
    done = Count("assignments", filter=Q(assignments__is_done=True))
    rows = study.readers.order_by("code").annotate(dealt=Count("assignments"), done_now=done)
    yield from rows.values_list("code", "is_simulated", "dealt", "done_now").iterator(FETCHED)


READERS = Table(
    "readers",
    "The readers, under their codes.",
    (
        READER,
        Column("is_simulated", Kind.YES_NO, "Whether a program graded in the place of a person."),
        Column("dealt", Kind.WHOLE, "Images in the reader's list."),
        Column("done", Kind.WHOLE, "How many of them have a current label."),
    ),
    _readers,
)


def _assignments(study: Study) -> Iterator[Row]:
    rows = Assignment.objects.filter(reader__study=study).order_by("reader__code", "position")
    fields = rows.values_list(
        "reader__code", "position", "image__content_hash", "is_repeat", "image__is_golden", "is_done"
    )
    for reader, position, image, is_repeat, is_golden, is_done in fields.iterator(FETCHED):
        yield reader, position, image_code(study, image), is_repeat, is_golden, is_done


ASSIGNMENTS = Table(
    "assignments",
    "The readers' lists, in the order in which they were dealt.",
    (
        READER,
        POSITION,
        IMAGE,
        REPEAT,
        Column("is_golden", Kind.YES_NO, "Whether the image is golden. No reader was told."),
        Column("is_done", Kind.YES_NO, "Whether it has a current label."),
    ),
    _assignments,
)


def _consensus(study: Study) -> Iterator[Row]:
    for content_hash, mean, n in consensus.golden_consensus(study):
        yield image_code(study, content_hash), mean, n


CONSENSUS = Table(
    "consensus",
    "What the readers together say of each golden image now.",
    (
        IMAGE,
        Column("consensus", Kind.NUMBER, "Mean of the current grades.", unit="grades"),
        Column("n", Kind.WHOLE, "Readers who gave a grade."),
    ),
    _consensus,
)


def _grade_scale(study: Study) -> Iterator[Row]:
    yield from study.grade_levels.values_list("value", "name", "criterion")


GRADE_SCALE = Table(
    "grade_scale",
    "The study's grading scale.",
    (
        Column("value", Kind.WHOLE, "The grade."),
        Column("name", Kind.TEXT, "Its name."),
        Column("criterion", Kind.TEXT, "When to give it."),
    ),
    _grade_scale,
)


MARKS = {changes.BY: "by", changes.BEFORE: "before"}
NAMES = {ledger.LABEL: "label", ledger.ACT: "act"} | MARKS | {kind.code: kind.name for kind in facts.KINDS}


def _ledger(study: Study) -> Iterator[Row]:
    erased = dict(ErasedNote.objects.filter(label__assignment__reader__study=study).values_list("pk", "note_sha256"))
    for block in ledger.blocks(study).iterator(1):
        entries = ledger.unpacked(block.rows)
        labels = Label.objects.filter(pk__in=[entry.pk for entry in entries if entry.kind == ledger.LABEL])
        submissions = dict(labels.values_list("pk", "submission"))
        for entry in entries:
            is_label = entry.kind == ledger.LABEL
            note = erased.get(entry.pk, "") if is_label else ""
            submission = str(submissions[entry.pk]) if is_label and entry.pk in submissions and not note else ""
            yield block.number, NAMES[entry.kind], entry.pk, entry.sha256.hex(), submission, note


LEDGER = Table(
    "ledger",
    "Every row that is sealed: labels, facts, and the acts of people by their hashes alone.",
    (
        Column("block", Kind.WHOLE, "The block of ledger.json that has it."),
        Column("kind", Kind.TEXT, "What it is.", values="; ".join(NAMES.values())),
        Column(
            "id",
            Kind.WHOLE,
            "The label's running number in labels.csv; an act's in the audit log; a fact's in facts.csv. Of by: the "
            "act that changed the facts below it; 0 the beginning; -1 none. Of before: as the fact below.",
        ),
        Column("sha256", Kind.TEXT, "The hash of what it said when it was sealed."),
        Column("submission", Kind.TEXT, "Of a label: a random id, so that notes cannot be guessed from a hash."),
        Column("note_sha256", Kind.TEXT, "Of a label whose note was erased: the hash of that note."),
    ),
    _ledger,
)


def _facts(study: Study) -> Iterator[Row]:
    for kind in facts.KINDS:
        for key, text, sha256 in facts.texts(study, kind):
            yield kind.name, key, text, sha256


FACTS = Table(
    "facts",
    "Rows that may change and on which numbers depend, as sealed; of those that could name a person the hash alone.",
    (
        Column("kind", Kind.TEXT, "What it is.", values="; ".join(kind.name for kind in facts.KINDS)),
        Column("id", Kind.WHOLE, "Its running number, as in ledger.csv."),
        Column("text", Kind.TEXT, "What is hashed, after the kind's salt in ledger.json, the kind and the id."),
        Column("sha256", Kind.TEXT, "The hash, where the text is not given."),
    ),
    _facts,
)

TABLES = (LABELS, IMAGES, READERS, ASSIGNMENTS, CONSENSUS, GRADE_SCALE, LEDGER, FACTS)


def codebook(tables: Sequence[Table]) -> Iterator[Row]:
    """Yield a row per column of every table, under a heading."""
    yield "file", "column", "kind", "unit", "allowed values", "meaning"
    for table in tables:
        yield f"{table.name}.csv", "", "", "", "", table.about
        for column in table.columns:
            yield f"{table.name}.csv", column.name, column.kind.value, column.unit, column.values, column.meaning

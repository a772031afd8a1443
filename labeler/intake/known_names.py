"""The names under which a study's files came: of images, of their copies, and of files that became none."""

from collections.abc import Callable, Collection, Iterator

from labeler.intake.file_names import Erased, FileNames, clean, fitting
from labeler.models import Alias, ErasedName, Image, IntakeFile, Study
from labeler.record import keyed_draws

State = IntakeFile.State

FETCHED = 5000  # rows that a cursor of the database hands over
ENDED_WELL = (State.IMPORTED, State.KNOWN)
NO_IMAGE = (State.REFUSED, State.WAITING, State.UPLOADING)
OF_BYTES = 64  # characters of a mark that is a hash of the file's bytes


def of_study(study: Study, *, sent_again: bool = False) -> FileNames:
    """Return the study's names.

    `sent_again` says that refused files and the ones of their names that came well later are the same photographs.
    """
    refused, came_later = _without_image(study)
    erased = (Erased(tuple(one.ends), one.exact, one.kind) for one in study.erased_names.iterator(FETCHED))
    gone = study.images.filter(is_erased=True)  # of which the work has still to be done, the names are there
    names = [name for pk, name in gone.values_list("pk", "source_name") if name != f"erased-{pk}"]
    names += Alias.objects.filter(image__in=gone).values_list("name", flat=True)
    keyed = _keyed(study)
    return FileNames(
        _named(study, refused),
        sent_again=() if sent_again else came_later,
        erased=[*erased, *(Erased.of(name, keyed) for name in names)],
        keyed=keyed,
    )


def keep_alias(image: Image, name: str) -> bool:
    """Keep another name of an image's file; return whether it is one."""
    name = fitting(clean(name))
    if name == image.source_name:
        return False
    Alias.objects.get_or_create(image=image, name=name)
    return True


def keep_erased(study: Study, names: Collection[str]) -> None:
    """Keep hashes of the names of an erased file, so that no row of a table takes them for another file's."""
    keyed = _keyed(study)
    hashed = [Erased.of(fitting(clean(name)), keyed) for name in names]
    ErasedName.objects.bulk_create(
        (ErasedName(study=study, ends=list(one.ends), exact=one.exact, kind=one.kind) for one in hashed),
        ignore_conflicts=True,
    )


def own_name(file: IntakeFile) -> str:
    """Return the name under which a file came: of what a zip or a place holds the one inside it."""
    return file.came_as or (file.name.removeprefix(f"{file.archive.name}/") if file.archive else file.name)


def _keyed(study: Study) -> Callable[[str], str]:
    return lambda text: keyed_draws.code(study, f"erased name {text}")


def _named(study: Study, refused: Collection[str]) -> Iterator[tuple[str, int | None]]:
    images = study.images.filter(is_erased=False)
    for pk, name in images.values_list("pk", "source_name").iterator(FETCHED):
        yield clean(name), pk
    aliases = Alias.objects.filter(image__study=study, image__is_erased=False)
    for pk, name in aliases.values_list("image", "name").iterator(FETCHED):
        yield name, pk
    for name in refused:
        yield name, None


def _without_image(study: Study) -> tuple[set[str], set[str]]:
    """Return the names of files that were refused or still wait, and those under which a later import brought an image.

    Whether that is the same photograph, mended, or another's of the same name, nobody can tell but a person; where the
    bytes are the same, it is no question.
    """
    files = IntakeFile.objects.filter(intake__study=study).select_related("archive").order_by()
    last: dict[str, int] = {}
    marks: dict[str, set[str]] = {}
    for file in files.filter(state__in=NO_IMAGE).iterator(FETCHED):
        if file.name == f"erased-{file.pk}":
            continue
        name = fitting(clean(own_name(file)))
        last[name] = max(file.intake_id, last.get(name, 0))
        marks.setdefault(name, set()).add(file.mark)
    later = set[str]()
    if last:
        well = files.filter(state__in=ENDED_WELL, intake__gt=min(last.values()))
        for file in well.iterator(FETCHED):
            name = fitting(clean(own_name(file)))
            if last.get(name, file.intake_id) < file.intake_id:
                later.add(name)
                if len(file.mark) == OF_BYTES and marks[name] == {file.mark}:
                    del last[name]
                    later.discard(name)
    return set(last) - later, later

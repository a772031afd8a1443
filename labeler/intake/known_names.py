"""The names under which a study's files came: of images, of their copies, and of files that became none."""

from collections.abc import Iterator

from labeler.intake.file_names import FileNames, clean, fitting
from labeler.models import Alias, Image, IntakeFile, Study

State = IntakeFile.State

FETCHED = 5000  # rows that a cursor of the database hands over
ENDED_WELL = (State.IMPORTED, State.KNOWN)
NO_IMAGE = (State.REFUSED, State.WAITING, State.UPLOADING)


def of_study(study: Study) -> FileNames:
    return FileNames(_named(study))


def keep_alias(image: Image, name: str) -> bool:
    """Keep another name of an image's file; return whether it is one."""
    name = fitting(clean(name))
    if name == image.source_name:
        return False
    Alias.objects.get_or_create(image=image, name=name)
    return True


def own_name(file: IntakeFile) -> str:
    """Return the name under which a file came: of what a zip or a place holds the one inside it."""
    return file.came_as or (file.name.removeprefix(f"{file.archive.name}/") if file.archive else file.name)


def _named(study: Study) -> Iterator[tuple[str, int | None]]:
    images = study.images.filter(is_erased=False)
    for pk, name in images.values_list("pk", "source_name").iterator(FETCHED):
        yield clean(name), pk
    aliases = Alias.objects.filter(image__study=study, image__is_erased=False)
    for pk, name in aliases.values_list("image", "name").iterator(FETCHED):
        yield name, pk
    for name in _without_image(study):
        yield name, None


def _without_image(study: Study) -> set[str]:
    """Return the names of files that were refused or still wait, and did not come well in a later import."""
    files = IntakeFile.objects.filter(intake__study=study).select_related("archive").order_by()
    last: dict[str, int] = {}
    for file in files.filter(state__in=NO_IMAGE).iterator(FETCHED):
        name = fitting(clean(own_name(file)))
        last[name] = max(file.intake_id, last.get(name, 0))
    if last:
        later = files.filter(state__in=ENDED_WELL, intake__gt=min(last.values()))
        for file in later.iterator(FETCHED):
            name = fitting(clean(own_name(file)))
            if last.get(name, file.intake_id) < file.intake_id:
                del last[name]
    return set(last)

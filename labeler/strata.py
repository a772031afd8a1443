"""Kinds of images over which a draw or a dealing is spread evenly: a column of the metadata, or thirds of a measure."""

from django.db.models import Expression, F, TextField, Value, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Concat, Ntile

from labeler import gallery, prescreen
from labeler.models import Study

QUALITY = "quality:"  # before the name of a measure
THIRDS = 3


def choices(study: Study) -> list[tuple[str, str]]:
    """Return what images of a study can be told apart by: the word for it, and what people call it."""
    columns = [(column, column) for column in gallery.columns(study)]
    measures = [(f"{QUALITY}{measure.name}", f"{measure.title}, in thirds") for measure in prescreen.MEASURES]
    return [*columns, *measures]


def stratum(by: str) -> Expression:
    """Return the stratum of an image, a text, for a query of images; "" puts all of them into one."""
    if not by:
        return Value("", output_field=TextField())
    if by.startswith(QUALITY):
        name = by.removeprefix(QUALITY)
        third = Window(Ntile(THIRDS), order_by=[F(f"measurement__{name}"), F("content_hash")])
        return Concat(Value(f"{name}, third "), Cast(third, TextField()), output_field=TextField())
    return Coalesce(KeyTextTransform(by, "metadata"), Value(""), output_field=TextField())

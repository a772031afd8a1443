"""Strata for a draw or a deal: metadata, thirds of a measure, provisional grades."""

from django.db.models import Case, Expression, F, TextField, Value, When, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Concat, Ntile

from labeler.models import ProvisionalScore, Study
from labeler.screening import gallery, prescreen

PROVISIONAL = "provisional:grade"
QUALITY = "quality:"  # before the name of a measure
THIRDS = 3


def choices(study: Study) -> list[tuple[str, str]]:
    """Return what images of a study can be told apart by: the word for it, and what people call it."""
    columns = [(column, column) for column in gallery.columns(study)]
    measures = [(f"{QUALITY}{measure.name}", f"{measure.title}, in thirds") for measure in prescreen.MEASURES]
    scored = ProvisionalScore.objects.filter(image__study=study).exists()
    return [*columns, *measures, *([(PROVISIONAL, "Provisional grade")] if scored else [])]


def stratum(by: str) -> Expression:
    """Return the stratum of an image, a text, for a query of images; "" puts all of them into one."""
    if not by:
        return Value("", output_field=TextField())
    if by == PROVISIONAL:
        said = Concat(Value("grade "), Cast("provisional__grade", TextField()), output_field=TextField())
        return Case(When(provisional=None, then=Value("")), default=said, output_field=TextField())
    if by.startswith(QUALITY):
        name = by.removeprefix(QUALITY)
        third = Window(Ntile(THIRDS), order_by=[F(f"measurement__{name}"), F("content_hash")])
        return Concat(Value(f"{name}, third "), Cast(third, TextField()), output_field=TextField())
    return Coalesce(KeyTextTransform(by, "metadata"), Value(""), output_field=TextField())

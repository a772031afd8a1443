"""The grading scale of a new study: its levels with names and criteria. Add a grade level here."""

from labeler.models import GradeLevel, Study

# The published five grades, with criteria in the words of the Investigator's Global Assessment.
ACNE_SCALE = (
    ("Clear", "Clear skin: no inflammatory and no non-inflammatory lesions. Marks of old lesions do not count."),
    ("Almost clear", "A few comedones and no more than one small papule."),
    ("Mild", "Some comedones and a few papules or pustules; no nodules."),
    ("Moderate", "Many comedones, papules and pustules; at most one small nodule."),
    ("Severe", "Inflammatory lesions over most of the face, with several nodules or cysts."),
)


def create_levels(study: Study) -> None:
    """Give a new study the levels of ACNE_SCALE, from 1 on."""
    GradeLevel.objects.bulk_create(
        GradeLevel(study=study, value=value, name=name, criterion=criterion)
        for value, (name, criterion) in enumerate(ACNE_SCALE, start=1)
    )

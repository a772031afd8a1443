"""What the worker does for studies. Running a task twice is harmless."""

from celery import shared_task

from labeler import tallies
from labeler.models import Study


@shared_task
def count_labels() -> None:
    """Count what came into every study since the last time."""
    for study in Study.objects.all():
        tallies.count(study)

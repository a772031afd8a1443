"""The Django project, and the labeling application: studies, readers, images, labels."""

from labeler.celery import app as celery_app

__all__ = ["celery_app"]

"""What did people say about these images? The Django project and the labeling application."""

from labeler.celery import app as celery_app

__all__ = ["celery_app"]

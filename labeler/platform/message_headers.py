"""The header of a Celery message with the time at which it was sent."""

SENT_AT = "sent_at"  # seconds since 1970

"""The header of a Celery message that says when it was sent: by it we know how long a message has waited."""

SENT_AT = "sent_at"  # seconds since 1970

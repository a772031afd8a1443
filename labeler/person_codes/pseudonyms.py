"""Pseudonyms of people for exports and logs, keyed by the installation's secret."""

from django.utils.crypto import salted_hmac

from labeler.models import Study

DIGITS = 16  # hexadecimal; among a million, two of one code are a chance of 1 in 40 million


def of_subject(study: Study, subject: str) -> str:
    if not subject:
        return ""
    keyed = salted_hmac("labeler.exchange.export.subject", f"{study.slug} {subject}", algorithm="sha256")
    return "s" + keyed.hexdigest()[:DIGITS]

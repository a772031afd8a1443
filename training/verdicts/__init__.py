"""Verdicts whose rate of error is stated: the machine against readers, night after night, and readers who stand out."""

"""The report of a study: its numbers, charts and pages."""

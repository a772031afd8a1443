"""A study: its grading scale, its atlas, its checklist, and how it is closed."""

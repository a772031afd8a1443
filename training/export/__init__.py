"""A study as one zip with a script that recomputes its numbers, and a person's own data."""

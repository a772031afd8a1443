"""Erasing a person's photographs, and how long a study keeps photographs."""

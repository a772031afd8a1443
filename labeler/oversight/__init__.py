"""How a study goes: each reader's pace and habits, day by day."""

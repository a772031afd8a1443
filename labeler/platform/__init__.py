"""What we need beyond Django: compiled queries, database clock, cache, sessions, static files, form fields."""

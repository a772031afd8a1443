"""What Django lacks for us: compiled queries, the database's clock, cache, session store, static files, form fields."""

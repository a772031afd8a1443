"""Django's PostgreSQL, with one habit changed: the settings name this package as the database's engine."""

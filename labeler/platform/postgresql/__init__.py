"""Django's PostgreSQL backend with one change. The settings name this package as the engine."""

"""The installation's health, telemetry, backups, and jobs over a whole study."""

"""What every service process needs: jobs, stored files, logs, probes, limits, telemetry."""

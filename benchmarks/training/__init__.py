"""Retraining at the published size, and what recipes are worth."""

"""One run of retraining from start to end, when it happens, and what it leaves."""

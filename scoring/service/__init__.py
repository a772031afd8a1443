"""What apps reach: the scoring API, tokens, batches, webhooks."""

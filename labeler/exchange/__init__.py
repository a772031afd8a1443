"""Tables that leave a study, and labels that come from elsewhere."""

"""The light box: a reader's next image, and the label that is stored exactly once."""

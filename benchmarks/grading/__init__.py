"""Grading in the browser and at the server, beside Label Studio, with hundreds of readers and for hours."""

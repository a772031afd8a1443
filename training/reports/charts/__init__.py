"""The report's charts: a sentence, a picture in SVG, and the table it is drawn from. [core]

Each function takes the report's own numbers, so that no chart can show another number than the command prints.
"""

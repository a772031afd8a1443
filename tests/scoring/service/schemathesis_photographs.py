"""Loaded by schemathesis: what stands for a file in the requests it makes up."""

import schemathesis
from hypothesis import strategies

from tests.scoring.photograph.test_decoding import JPEG, PHOTO, saved

FILES = [JPEG, saved(PHOTO.convert("LA"), "PNG"), JPEG[:100], b"<svg/>", b""]

schemathesis.openapi.format("binary", strategies.sampled_from(FILES))

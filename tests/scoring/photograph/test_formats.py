"""The list of image formats, and every text that names them."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from labeler.models import Study
from labeler.studies.forms import AtlasForm
from scoring.photograph import formats
from scoring.service.api import api

REPOSITORY = Path(__file__).parents[3]


def test_no_two_formats_share_a_name_or_a_suffix() -> None:
    suffixes = [suffix for one in formats.FORMATS for suffix in one.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert len(formats.FORMATS) == len({one.name for one in formats.FORMATS}) == len(formats.BY_PILLOW)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)


def test_the_pages_and_the_api_name_them(as_olga: Client, study: Study) -> None:
    page = as_olga.get(reverse("intake", args=["acne"])).content.decode()
    assert f"photographs ({formats.ALL_OF_THEM})" in page
    assert f'accept="{formats.ACCEPT},.zip"' in page
    assert formats.ANY_OF_THEM in AtlasForm(study=study).as_p()
    assert f"A {formats.ANY_OF_THEM} of one face, 20 MB at most." in str(api.get_openapi_schema())


@pytest.mark.parametrize(
    ("document", "words"), [("docs/api.md", formats.ANY_OF_THEM), ("CHANGELOG.md", formats.ALL_OF_THEM)]
)
def test_the_documents_name_them(document: str, words: str) -> None:
    assert words in (REPOSITORY / document).read_text()

"""Another study's things under the address of one's own: insecure direct object reference, in every address."""

import pytest
from django.test import Client
from django.urls import reverse

from labeler.accounts import unblinding
from labeler.models import Study
from tests.test_who_may import ROWS, World, addresses, ask, staged, world

__all__ = ["staged", "world"]

# What names a thing of a study, beside the study itself. Every study has a reader R01.
NAMES_A_THING = {"pk", "public_id", "picture"}
TRIED = [name for name, address in addresses().items() if {"slug"} < address.arguments & ({"slug"} | NAMES_A_THING)]


@pytest.mark.parametrize("name", TRIED)
@pytest.mark.parametrize("who", ["otto", "dora", "root"])
def test_a_thing_of_another_study_is_not_under_ones_own(world: World, name: str, who: str) -> None:
    unblind(world.clients[who])
    arguments = world.named[""] | world.named.get(name, {}) | {"slug": "other"}
    address = reverse(name, kwargs={argument: arguments[argument] for argument in addresses()[name].arguments})
    for method in ROWS[name].methods.split():
        # dora reads the other study, and is told of an image that is not on her list what she is told of none.
        shut = 410 if who == "dora" and name in {"image", "label", "undo"} else 404
        assert ask(world, who, method, address).status_code == shut


def unblind(client: Client) -> None:
    """Record a user's reason, so that it is not what the page asks for first."""
    session = client.session
    session[unblinding.REMEMBERED] = [Study.objects.get(slug="other").pk]
    session.save()


def test_there_is_something_to_try() -> None:
    assert {"study_image", "study_picture", "revoke_token", "upload", "image", "label", "training:run"} <= set(TRIED)

"""The buttons that turn an image."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.turning import turning
from labeler.turning.forms import TurnForm


@require_POST
def turn(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Turn an image before it is dealt."""
    image = access.get_overseen_image(request, slug, pk)
    form = TurnForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was turned: use the buttons of this page.")
        return redirect("study_image", slug=slug, pk=pk)
    try:
        turning.turn(image=image, by=request.user, **form.cleaned_data)
    except turning.TurnError as error:
        messages.error(request, f"Nothing was turned. {error}")
    return redirect("study_image", slug=slug, pk=pk)

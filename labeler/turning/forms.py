"""How an image is to be turned."""

from django import forms

from labeler.platform.form_fields import Form

TURNS = [(turn, f"{90 * turn} degrees clockwise from its file") for turn in range(4)]


class TurnForm(Form):
    """Quarter turns clockwise from the file: wanted, and as the page showed it."""

    to = forms.TypedChoiceField(choices=TURNS, coerce=int)
    shown = forms.TypedChoiceField(choices=TURNS, coerce=int)

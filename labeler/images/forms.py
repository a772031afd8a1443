"""Which rendition of an image a page asks for."""

from django import forms

from labeler.images import renditions
from labeler.platform.form_fields import Form


class ImageForm(Form):
    """How large an image a page wants: the smallest unless it says otherwise."""

    size = forms.ChoiceField(required=False, choices=[(size, size) for size in renditions.SIZES])

    def clean_size(self) -> str:
        return self.cleaned_data["size"] or renditions.SIZES[0]

"""Django's admin for what has no page of its own. Labels, images and assignments can be read there, never changed."""

from typing import ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model
from django.http import HttpRequest

from labeler.models import Assignment, GradeLevel, Image, Label, Reader, Study, User

admin.site.site_header = "Acne study"
admin.site.register(User, UserAdmin)


class ReadOnlyAdmin(admin.ModelAdmin):
    """A table to look at."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False


class GradeLevelInline(admin.TabularInline):
    """The grading scale, inside its study."""

    model = GradeLevel
    extra = 0


@admin.register(Study)
class StudyAdmin(admin.ModelAdmin):
    list_display = ("title", "slug", "is_simulated", "golden_drawn_at", "dealt_at")
    readonly_fields = ("golden_drawn_at", "dealt_at")
    filter_horizontal = ("admins",)
    inlines: ClassVar = [GradeLevelInline]


@admin.register(Reader)
class ReaderAdmin(admin.ModelAdmin):
    list_display = ("code", "study", "user", "is_simulated")
    list_filter = ("study", "is_simulated")


@admin.register(Image)
class ImageAdmin(ReadOnlyAdmin):
    list_display = ("id", "study", "source_name", "width", "height", "is_golden", "fold", "imported_at")
    list_filter = ("study", "is_golden")
    search_fields = ("source_name", "content_hash", "subject")


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    list_display = ("reader", "position", "image", "version", "is_done")
    list_filter = ("reader__study", "is_done")
    list_select_related = ("reader", "image")


@admin.register(Label)
class LabelAdmin(ReadOnlyAdmin):
    list_display = ("assignment", "version", "grade", "not_gradable", "is_undo", "labeled_at")
    list_filter = ("assignment__reader__study", "grade", "not_gradable", "is_undo")
    list_select_related = ("assignment__reader",)

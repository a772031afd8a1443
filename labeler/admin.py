"""Django's admin for superusers. Images, readings and history are read-only there; what is changed is in the audit log.

Nothing here tells golden, repeated and ordinary images apart: lists and labels don't name their image, which several
readers have in common where it is golden. A reader of a study sees none of its images or labels.
"""

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from labeler.accounts import access
from labeler.models import (
    Assignment,
    AtlasPicture,
    AuditEvent,
    Dealing,
    GradeLevel,
    Image,
    Label,
    Measurement,
    Reader,
    Study,
    User,
)
from labeler.record import audit
from labeler.screening import prescreen

admin.site.site_header = admin.site.site_title = "Acne study"
admin.site.index_title = "What has no page of its own"
admin.site.site_url = "/"
# Permissions hang on studies, never on groups; sign-ins and second factors have pages and commands, which are logged.
for model in [model for model in admin.site._registry if model._meta.app_label != "labeler"]:
    admin.site.unregister(model)


FILTERS_BY = ("", "__exact", "__id__exact", "__isnull", "__gte", "__lt")  # what Django's filters add to a column


class AuditedAdmin(admin.ModelAdmin):
    """A table whose changes are in the audit log, in the transaction that makes them."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        self._record(request, obj, "made", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        self._record(request, obj, "changed", message)
        return super().log_change(request, obj, message)

    def _record(self, request: HttpRequest, obj: Any, act: str, message: Any) -> None:
        assert request.user.is_authenticated  # noqa: S101  the admin site lets nobody else in
        said = LogEntry(change_message=message if isinstance(message, str) else json.dumps(message))
        detail = f"{obj}: {said.get_change_message()}"
        if isinstance(obj, Study):
            audit.record(obj, request.user, "made" if act == "made" else "study changed", detail=detail)
        else:
            audit.record(None, request.user, f"{self.opts.verbose_name} {act}", detail=detail)


class FilteredAdmin(AuditedAdmin):
    """A table that addresses filter by the filters that stand beside it, and by nothing else."""

    # Django lets ?is_golden=1 filter, whether or not the column is shown, and ?seed__gte= guess.
    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        del value
        return lookup in {f"{column}{by}" for column in self.get_list_filter(request) for by in FILTERS_BY}


@admin.register(User)
class AccountAdmin(AuditedAdmin, UserAdmin):
    """Accounts. A name stays: audit log, certificates and imported labels know people by it."""

    fieldsets: ClassVar = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    list_filter = ("is_staff", "is_superuser", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        del request
        return (*self.readonly_fields, "username") if obj else self.readonly_fields

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002
        return super().user_change_password(request, id, form_url)


class ReadOnlyAdmin(FilteredAdmin):
    """A table to look at."""

    show_full_result_count = False  # counting a million rows for an unneeded number
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False


class OverseenAdmin(ReadOnlyAdmin):
    """A table of what belongs to studies, without the studies that the superuser reads."""

    study_path: str

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        assert request.user.is_authenticated  # noqa: S101  the admin site lets nobody else in
        return super().get_queryset(request).exclude(**{f"{self.study_path}__in": access.read_by(request.user)})


class GradeLevelInline(admin.TabularInline):
    """The grading scale, inside its study."""

    model = GradeLevel
    extra = 0

    # Once lists are dealt, another value would change the meaning of grades that were given.
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        del request
        return ("value",) if obj and obj.dealt_at else ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not (obj and obj.dealt_at) and super().has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not (obj and obj.dealt_at) and super().has_delete_permission(request, obj)


@admin.register(Study)
class StudyAdmin(FilteredAdmin):
    list_display = ("title", "slug", "is_simulated", "golden_drawn_at", "dealt_at", "closed_at")
    list_filter = ("is_simulated", "closed_at")
    search_fields = ("title", "slug")
    # With the secret one can deal the study again and see which images are golden; of lists of before, with the seed.
    exclude = ("seed", "secret")
    readonly_fields = ("created_at", "golden_drawn_at", "dealt_at", "closed_at", "reports_released_at")
    # Tokens and regressors know a study by its slug; consent and retention have pages, which do what follows from them.
    fixed = (
        *("slug", "is_simulated", "needs_consent", "retrain_at", "shortest_look_ms"),
        *("erase_on", "erase_months_after_closing"),
    )
    filter_horizontal = ("admins",)
    inlines: ClassVar = [GradeLevelInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        del request
        return (*self.readonly_fields, *self.fixed) if obj else self.readonly_fields

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Log a change of the study's admins."""
        study: Study = form.instance
        before = set(study.admins.all())
        super().save_related(request, form, formsets, change)
        after = set(study.admins.all())
        assert request.user.is_authenticated  # noqa: S101  the admin site lets nobody else in
        for act, people in (("made an admin", after - before), ("no longer an admin", before - after)):
            for person in sorted(people, key=str):
                audit.record(study, request.user, act, detail=person.username)


@admin.register(Reader)
class ReaderAdmin(ReadOnlyAdmin):
    list_display = ("code", "study", "user", "done", "capacity", "is_simulated", "left_at")
    list_filter = ("study", "is_simulated")
    list_select_related = ("study", "user")
    search_fields = ("code", "user__username")


@admin.register(AtlasPicture)
class AtlasPictureAdmin(ReadOnlyAdmin):
    list_display = ("level", "study", "caption")
    list_filter = ("level__study",)
    list_select_related = ("level__study",)
    search_fields = ("caption",)
    fields = ("level", "caption")

    @admin.display(ordering="level__study")
    def study(self, picture: AtlasPicture) -> Study:
        return picture.level.study


class MeasurementInline(admin.StackedInline):
    """What prescreening measured, inside its image."""

    model = Measurement
    fields = prescreen.NAMES
    readonly_fields = fields
    can_delete = False


@admin.register(Image)
class ImageAdmin(OverseenAdmin):
    study_path = "study"
    list_display = ("source_name", "study", "width", "height", "subject", "is_kept", "failed", "imported_at")
    list_filter = ("study", "is_kept")
    list_select_related = ("study",)
    search_fields = ("source_name__startswith", "content_hash", "subject")
    search_help_text = "The beginning of a file name, a whole content hash, or a subject."
    ordering = ("-id",)
    fields = (*list_display, "override", "metadata", "content_hash")
    inlines: ClassVar = [MeasurementInline]


@admin.register(Assignment)
class AssignmentAdmin(OverseenAdmin):
    study_path = "reader__study"
    list_display = ("reader", "study", "position", "version", "is_done", "labeled_at")
    list_filter = ("reader__study", "is_done")
    list_select_related = ("reader__study",)
    search_fields = ("reader__code__exact",)
    search_help_text = "A reader's code."
    ordering = ("-id",)
    fields = list_display

    @admin.display(ordering="reader__study")
    def study(self, assignment: Assignment) -> Study:
        return assignment.reader.study


@admin.register(Label)
class LabelAdmin(OverseenAdmin):
    study_path = "assignment__reader__study"
    list_display = ("reader", "study", "version", "grade", "not_gradable", "is_undo", "labeled_at")
    list_filter = ("assignment__reader__study", "grade", "not_gradable", "is_undo")
    list_select_related = ("assignment__reader__study",)
    search_fields = ("assignment__reader__code__exact",)
    search_help_text = "A reader's code."
    ordering = ("-id",)
    fields = (*list_display, "note", "visible_ms", "zoom", "input_kind")

    @admin.display(ordering="assignment__reader")
    def reader(self, label: Label) -> Reader:
        return label.assignment.reader

    @admin.display
    def study(self, label: Label) -> Study:
        return label.assignment.reader.study


@admin.register(Dealing)
class DealingAdmin(OverseenAdmin):
    study_path = "study"
    list_display = ("kind", "study", "reader", "reason", "dealt_by", "dealt_at", "reversed_at")
    list_filter = ("study", "kind")
    list_select_related = ("study", "reader", "dealt_by")
    search_fields = ("reason",)
    fields = list_display  # the plan says how often repeats come


@admin.register(AuditEvent)
class AuditEventAdmin(OverseenAdmin):
    study_path = "study"
    list_display = ("at", "study", "user", "action", "detail", "reason")
    list_filter = ("study", "action")
    list_select_related = ("study", "user")
    search_fields = ("user__username", "detail", "reason")
    fields = list_display

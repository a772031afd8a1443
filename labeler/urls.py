"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from labeler.views import connection, duplicates, gallery, oversight, prescreen, reading, study, unblinding
from scoring.api import api

urlpatterns = [
    path("", reading.home, name="home"),
    path("read/<slug:slug>/", reading.grade, name="grade"),
    path("read/<slug:slug>/queue/", reading.queue, name="queue"),
    path("read/<slug:slug>/<uuid:public_id>/image/", reading.image, name="image"),
    path("read/<slug:slug>/<uuid:public_id>/label/", reading.label, name="label"),
    path("read/<slug:slug>/<uuid:public_id>/undo/", reading.undo, name="undo"),
    path("read/<slug:slug>/atlas/<int:picture>/", reading.atlas_picture, name="atlas_picture"),
    path("studies/<slug:slug>/", study.study, name="study"),
    path("studies/<slug:slug>/atlas/", study.study_atlas, name="study_atlas"),
    path("studies/<slug:slug>/atlas/<int:picture>/remove/", study.remove_from_atlas, name="remove_from_atlas"),
    path("studies/<slug:slug>/unblind/", unblinding.unblind, name="unblind"),
    path("studies/<slug:slug>/oversight/", oversight.oversight, name="oversight"),
    path("studies/<slug:slug>/oversight/now.json", oversight.now, name="oversight_now"),
    path("studies/<slug:slug>/disputed/", gallery.disputed, name="disputed"),
    path("studies/<slug:slug>/unstable/", gallery.unstable, name="unstable"),
    path("studies/<slug:slug>/gallery/", gallery.gallery_page, name="gallery"),
    path("studies/<slug:slug>/images/<int:pk>/", gallery.image, name="study_image"),
    path("studies/<slug:slug>/images/<int:pk>/picture/", gallery.picture, name="study_picture"),
    path("studies/<slug:slug>/images/<int:pk>/decide/", prescreen.decide, name="decide_image"),
    path("studies/<slug:slug>/images/<int:pk>/subject/", duplicates.correct_subject, name="correct_subject"),
    path("studies/<slug:slug>/prescreen/", prescreen.limits, name="prescreen"),
    path("studies/<slug:slug>/prescreen/counts.json", prescreen.counts, name="prescreen_counts"),
    path("studies/<slug:slug>/prescreen/images/", prescreen.drops, name="drops"),
    path("studies/<slug:slug>/prescreen/measure/", prescreen.measure, name="measure_images"),
    path("studies/<slug:slug>/duplicates/", duplicates.list_clusters, name="duplicates"),
    path("studies/<slug:slug>/duplicates/judge/", duplicates.judge, name="judge_duplicates"),
    path("studies/<slug:slug>/duplicates/keep-best/", duplicates.keep_best, name="keep_best"),
    path("studies/<slug:slug>/duplicates/search/", duplicates.search, name="search_duplicates"),
    path("studies/<slug:slug>/subjects/", duplicates.list_subjects, name="subjects"),
    path("studies/<slug:slug>/log/", oversight.audit_log, name="audit_log"),
    path("", include("training.urls")),
    path("api/v1/", api.urls),
    path("signed-in/", connection.signed_in, name="signed_in"),
    path("offline/", connection.offline, name="offline"),
    path("service-worker.js", connection.service_worker),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

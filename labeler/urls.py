"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from labeler.views import connection, dealing, gallery, oversight, readers, reading, study, unblinding
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
    path("studies/<slug:slug>/readers/", readers.readers, name="readers"),
    path("studies/<slug:slug>/readers/<slug:code>/capacity/", readers.set_capacity, name="set_capacity"),
    path("studies/<slug:slug>/readers/<slug:code>/leave/", readers.leave, name="leave"),
    path("studies/<slug:slug>/dealing/", dealing.dealing, name="dealing"),
    path("studies/<slug:slug>/dealing/deal/", dealing.deal, name="deal"),
    path("studies/<slug:slug>/dealing/images/", dealing.deal_later_images, name="deal_later_images"),
    path("studies/<slug:slug>/dealing/back/", dealing.take_back, name="take_back"),
    path("studies/<slug:slug>/unblind/", unblinding.unblind, name="unblind"),
    path("studies/<slug:slug>/oversight/", oversight.oversight, name="oversight"),
    path("studies/<slug:slug>/oversight/now.json", oversight.now, name="oversight_now"),
    path("studies/<slug:slug>/disputed/", gallery.disputed, name="disputed"),
    path("studies/<slug:slug>/unstable/", gallery.unstable, name="unstable"),
    path("studies/<slug:slug>/gallery/", gallery.gallery_page, name="gallery"),
    path("studies/<slug:slug>/images/<int:pk>/", gallery.image, name="study_image"),
    path("studies/<slug:slug>/images/<int:pk>/picture/", gallery.picture, name="study_picture"),
    path("studies/<slug:slug>/log/", oversight.audit_log, name="audit_log"),
    path("", include("training.urls")),
    path("api/v1/", api.urls),
    path("signed-in/", connection.signed_in, name="signed_in"),
    path("offline/", connection.offline, name="offline"),
    path("service-worker.js", connection.service_worker),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

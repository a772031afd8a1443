"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from labeler import views
from scoring.api import api

urlpatterns = [
    path("", views.home, name="home"),
    path("read/<slug:slug>/", views.grade, name="grade"),
    path("read/<slug:slug>/queue/", views.queue, name="queue"),
    path("read/<slug:slug>/<uuid:public_id>/image/", views.image, name="image"),
    path("read/<slug:slug>/<uuid:public_id>/label/", views.label, name="label"),
    path("read/<slug:slug>/<uuid:public_id>/undo/", views.undo, name="undo"),
    path("studies/<slug:slug>/", views.study, name="study"),
    path("", include("training.urls")),
    path("api/v1/", api.urls),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

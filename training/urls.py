"""Addresses below studies/<slug>/report/."""

from django.urls import path

from training import views

app_name = "training"
urlpatterns = [
    path("", views.report, name="report"),
    path("numbers.json", views.report_json, name="report_json"),
    path("retrain/", views.retrain_now, name="retrain"),
    path("runs/<int:pk>/", views.run, name="run"),
    path("runs/<int:pk>/state/", views.run_state, name="run_state"),
]

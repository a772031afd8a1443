"""Addresses of what is computed from labels."""

from django.urls import path

from training import views

app_name = "training"
urlpatterns = [
    path("plan/", views.plan, name="plan"),
    path("studies/<slug:slug>/report/", views.report, name="report"),
    path("studies/<slug:slug>/report/numbers.json", views.report_json, name="report_json"),
    path("studies/<slug:slug>/report/retrain/", views.retrain_now, name="retrain"),
    path("studies/<slug:slug>/report/runs/<int:pk>/", views.run, name="run"),
    path("studies/<slug:slug>/report/runs/<int:pk>/state/", views.run_state, name="run_state"),
    path("studies/<slug:slug>/images/<int:pk>/person.zip", views.export_person, name="export_person"),
    path("studies/<slug:slug>/export/", views.export_study, name="export"),
]

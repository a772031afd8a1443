"""Addresses of what is computed from labels."""

from django.urls import path

from training import views

app_name = "training"
urlpatterns = [
    path("plan/", views.plan, name="plan"),
    path("definitions/", views.definitions, name="definitions"),
    path("studies/<slug:slug>/report/", views.report, name="report"),
    path("studies/<slug:slug>/report/numbers.json", views.report_json, name="report_json"),
    path("studies/<slug:slug>/report/print/", views.printed, name="printed"),
    path("studies/<slug:slug>/report/release/", views.release, name="release"),
    path("studies/<slug:slug>/report/readers/<slug:code>/", views.reader, name="reader"),
    path("read/<slug:slug>/report/", views.own_report, name="own_report"),
    path("studies/<slug:slug>/report/charts/<slug:name>.csv", views.chart_csv, name="chart_csv"),
    path("studies/<slug:slug>/report/charts/<slug:name>.svg", views.chart_svg, name="chart_svg"),
    path("studies/<slug:slug>/report/retrain/", views.retrain_now, name="retrain"),
    path("studies/<slug:slug>/report/runs/<int:pk>/", views.run, name="run"),
    path("studies/<slug:slug>/report/runs/<int:pk>/state/", views.run_state, name="run_state"),
    path("studies/<slug:slug>/export/", views.export, name="export"),
]

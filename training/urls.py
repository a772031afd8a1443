"""Addresses of what is computed from labels."""

from django.urls import path

from training import run_pages, views

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
    path("studies/<slug:slug>/report/retrain/", run_pages.retrain_now, name="retrain"),
    path("studies/<slug:slug>/report/runs/<int:pk>/", run_pages.run, name="run"),
    path("studies/<slug:slug>/report/runs/<int:pk>/again/", run_pages.again, name="again"),
    path("studies/<slug:slug>/report/runs/<int:pk>/cancel/", run_pages.cancel, name="cancel"),
    path("studies/<slug:slug>/report/runs/<int:pk>/publish/", run_pages.publish, name="publish"),
    path("studies/<slug:slug>/report/recipes/", run_pages.board, name="leaderboard"),
    path("studies/<slug:slug>/report/recipes/numbers.json", run_pages.board_json, name="leaderboard_json"),
    path("studies/<slug:slug>/report/recipes/roll-back/", run_pages.roll_back, name="roll_back"),
    path("studies/<slug:slug>/report/retrain/time/", run_pages.set_night, name="set_night"),
    path("studies/<slug:slug>/report/runs/<int:pk>/state/", run_pages.run_state, name="run_state"),
    path("studies/<slug:slug>/images/<int:pk>/person.zip", views.export_person, name="export_person"),
    path("studies/<slug:slug>/export/", views.export_study, name="export"),
]

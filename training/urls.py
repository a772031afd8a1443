"""Addresses of reports, runs and exports."""

from django.urls import path

from training.export import views as export_views
from training.reports import views as reports_views
from training.runs import views as runs_views

app_name = "training"
urlpatterns = [
    path("plan/", reports_views.plan, name="plan"),
    path("definitions/", reports_views.definitions, name="definitions"),
    path("studies/<slug:slug>/report/", reports_views.report, name="report"),
    path("studies/<slug:slug>/report/numbers.json", reports_views.report_json, name="report_json"),
    path("studies/<slug:slug>/report/print/", reports_views.printed, name="printed"),
    path("studies/<slug:slug>/report/release/", reports_views.release, name="release"),
    path("studies/<slug:slug>/report/readers/<slug:code>/", reports_views.reader, name="reader"),
    path("studies/<slug:slug>/report/readers/<slug:code>/decide/", reports_views.decide_reader, name="decide_reader"),
    path("read/<slug:slug>/report/", reports_views.own_report, name="own_report"),
    path("studies/<slug:slug>/report/charts/<slug:name>.csv", reports_views.chart_csv, name="chart_csv"),
    path("studies/<slug:slug>/report/charts/<slug:name>.svg", reports_views.chart_svg, name="chart_svg"),
    path("studies/<slug:slug>/report/retrain/", runs_views.retrain_now, name="retrain"),
    path("studies/<slug:slug>/report/runs/<int:pk>/", runs_views.run, name="run"),
    path("studies/<slug:slug>/report/runs/<int:pk>/again/", runs_views.again, name="again"),
    path("studies/<slug:slug>/report/runs/<int:pk>/cancel/", runs_views.cancel, name="cancel"),
    path("studies/<slug:slug>/report/runs/<int:pk>/publish/", runs_views.publish, name="publish"),
    path("studies/<slug:slug>/report/recipes/", runs_views.board, name="leaderboard"),
    path("studies/<slug:slug>/report/recipes/numbers.json", runs_views.board_json, name="leaderboard_json"),
    path("studies/<slug:slug>/report/recipes/roll-back/", runs_views.roll_back, name="roll_back"),
    path("studies/<slug:slug>/report/retrain/time/", runs_views.set_night, name="set_night"),
    path("studies/<slug:slug>/report/runs/<int:pk>/state/", runs_views.run_state, name="run_state"),
    path("studies/<slug:slug>/images/<int:pk>/person.zip", export_views.export_person, name="export_person"),
    path("studies/<slug:slug>/export/", export_views.export_study, name="export"),
]

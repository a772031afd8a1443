"""Addresses of the site."""

from allauth.account import views as allauth_views
from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from labeler.accounts import app_views, unblinding_views
from labeler.accounts import views as accounts_views
from labeler.accounts.oidc import provider
from labeler.dealing import views as dealing_views
from labeler.golden_set import views as golden_set_views
from labeler.grading import look_back_views
from labeler.grading import views as grading_views
from labeler.intake import views as intake_views
from labeler.operations import views as operations_views
from labeler.oversight import views as oversight_views
from labeler.privacy import views as privacy_views
from labeler.screening import gallery_views, near_duplicate_views, prescreen_views
from labeler.server import connection_views
from labeler.studies import study_job_views
from labeler.studies import views as studies_views
from labeler.turning import views as turning_views

handler500 = "labeler.server.error_views.answer_error"
urlpatterns = [
    path("", grading_views.home, name="home"),
    path("read/<slug:slug>/", grading_views.grade, name="grade"),
    path("read/<slug:slug>/queue/", grading_views.queue, name="queue"),
    path("read/<slug:slug>/graded/", look_back_views.look_back, name="look_back"),
    path("read/<slug:slug>/<uuid:public_id>/image/", grading_views.image, name="image"),
    path("read/<slug:slug>/<uuid:public_id>/label/", grading_views.label, name="label"),
    path("read/<slug:slug>/<uuid:public_id>/undo/", grading_views.undo, name="undo"),
    path("read/<slug:slug>/atlas/<int:picture>/", grading_views.atlas_picture, name="atlas_picture"),
    path("studies/new/", studies_views.new_study, name="new_study"),
    path("studies/<slug:slug>/", studies_views.study, name="study"),
    path("studies/<slug:slug>/golden/", golden_set_views.golden_set, name="golden"),
    path("studies/<slug:slug>/golden/draw/", golden_set_views.draw, name="draw_golden"),
    path("studies/<slug:slug>/golden/score/", golden_set_views.score_provisionally, name="score_provisionally"),
    path("studies/<slug:slug>/golden/choose/", golden_set_views.choose, name="choose_golden"),
    path("studies/<slug:slug>/golden/opening.json", golden_set_views.opening, name="opening"),
    path("studies/<slug:slug>/rule/", golden_set_views.rule, name="judging_rule"),
    path("studies/<slug:slug>/close/", golden_set_views.close, name="close"),
    path("studies/<slug:slug>/atlas/", studies_views.study_atlas, name="study_atlas"),
    path("studies/<slug:slug>/atlas/<int:picture>/remove/", studies_views.remove_from_atlas, name="remove_from_atlas"),
    path("studies/<slug:slug>/images/", intake_views.intake, name="intake"),
    path("studies/<slug:slug>/images/begin/", intake_views.begin, name="begin_upload"),
    path("studies/<slug:slug>/images/place/", intake_views.import_place, name="import_place"),
    path("studies/<slug:slug>/images/metadata/", intake_views.join_metadata, name="join_metadata"),
    path("studies/<slug:slug>/imports/<int:pk>/", intake_views.progress, name="intake_progress"),
    path("studies/<slug:slug>/imports/<int:pk>/now.json", intake_views.progress_now, name="intake_now"),
    path("studies/<slug:slug>/imports/<int:pk>/again/", intake_views.again, name="import_again"),
    path("studies/<slug:slug>/imports/<int:pk>/upload/", intake_views.upload, name="upload"),
    path("studies/<slug:slug>/imports/<int:pk>/finish/", intake_views.finish, name="finish_upload"),
    path("studies/<slug:slug>/readers/", dealing_views.readers, name="readers"),
    path("studies/<slug:slug>/readers/<slug:code>/capacity/", dealing_views.set_capacity, name="set_capacity"),
    path("studies/<slug:slug>/readers/<slug:code>/leave/", dealing_views.leave, name="leave"),
    path("studies/<slug:slug>/apps/", app_views.apps, name="apps"),
    path("studies/<slug:slug>/apps/<int:pk>/selfies/", app_views.stored_selfies, name="stored_selfies"),
    path("studies/<slug:slug>/apps/<int:pk>/revoke/", app_views.revoke_token, name="revoke_token"),
    path("studies/<slug:slug>/dealing/", dealing_views.dealing, name="dealing"),
    path("studies/<slug:slug>/dealing/deal/", dealing_views.deal, name="deal"),
    path("studies/<slug:slug>/dealing/images/", dealing_views.deal_later_images, name="deal_later_images"),
    path("studies/<slug:slug>/dealing/back/", dealing_views.take_back, name="take_back"),
    path("read/<slug:slug>/accept/", unblinding_views.accept_reading, name="accept_reading"),
    path("studies/<slug:slug>/unblind/", unblinding_views.unblind, name="unblind"),
    path("studies/<slug:slug>/oversight/", oversight_views.oversight, name="oversight"),
    path("studies/<slug:slug>/oversight/now/", oversight_views.now, name="oversight_now"),
    path("studies/<slug:slug>/disputed/", gallery_views.disputed, name="disputed"),
    path("studies/<slug:slug>/unstable/", gallery_views.unstable, name="unstable"),
    path("studies/<slug:slug>/gallery/", gallery_views.gallery_page, name="gallery"),
    path("studies/<slug:slug>/images/<int:pk>/", gallery_views.image, name="study_image"),
    path("studies/<slug:slug>/images/<int:pk>/picture/", gallery_views.picture, name="study_picture"),
    path("studies/<slug:slug>/images/<int:pk>/decide/", prescreen_views.decide, name="decide_image"),
    path("studies/<slug:slug>/images/<int:pk>/out/", privacy_views.take_out, name="take_out"),
    path("studies/<slug:slug>/images/<int:pk>/turn/", turning_views.turn, name="turn_image"),
    path("studies/<slug:slug>/images/<int:pk>/subject/", near_duplicate_views.correct_subject, name="correct_subject"),
    path("studies/<slug:slug>/prescreen/", prescreen_views.limits, name="prescreen"),
    path("studies/<slug:slug>/prescreen/counts.json", prescreen_views.counts, name="prescreen_counts"),
    path("studies/<slug:slug>/prescreen/images/", prescreen_views.drops, name="drops"),
    path("studies/<slug:slug>/prescreen/measure/", prescreen_views.measure, name="measure_images"),
    path("studies/<slug:slug>/study-jobs/<int:pk>/", study_job_views.study_job, name="study_job"),
    path("studies/<slug:slug>/study-jobs/<int:pk>/retry/", study_job_views.retry, name="retry_study_job"),
    path("studies/<slug:slug>/duplicates/", near_duplicate_views.list_clusters, name="duplicates"),
    path("studies/<slug:slug>/duplicates/judge/", near_duplicate_views.judge, name="judge_duplicates"),
    path("studies/<slug:slug>/duplicates/keep-best/", near_duplicate_views.keep_best, name="keep_best"),
    path("studies/<slug:slug>/duplicates/search/", near_duplicate_views.search, name="search_duplicates"),
    path("studies/<slug:slug>/subjects/", near_duplicate_views.list_subjects, name="subjects"),
    path("studies/<slug:slug>/privacy/", privacy_views.privacy, name="privacy"),
    path("studies/<slug:slug>/privacy/policy/", privacy_views.set_policy, name="set_policy"),
    path("studies/<slug:slug>/images/<int:pk>/person/", privacy_views.person, name="person"),
    path("studies/<slug:slug>/images/<int:pk>/erase/", privacy_views.erase, name="erase"),
    path("studies/<slug:slug>/erasures/<int:pk>/", privacy_views.erasure, name="erasure"),
    path("studies/<slug:slug>/erasures/<int:pk>/retry/", privacy_views.retry_erasure, name="retry_erasure"),
    path("studies/<slug:slug>/erasures/<int:pk>/certificate.json", privacy_views.certificate, name="certificate"),
    path("studies/<slug:slug>/log/", oversight_views.audit_log, name="audit_log"),
    path("health/", operations_views.health_page, name="health"),
    path("log/", oversight_views.site_log, name="site_log"),
    path("", include("training.urls")),
    path("", include("scoring.urls")),
    path("signed-in/", connection_views.signed_in, name="signed_in"),
    path("offline/", connection_views.offline, name="offline"),
    path("service-worker.js", connection_views.service_worker, name="service_worker"),
    path(".well-known/security.txt", connection_views.security_txt, name="security_txt"),
    path("accounts/login/", accounts_views.sign_in, name="account_login"),
    path("accounts/logout/", accounts_views.sign_out, name="account_logout"),
    path("accounts/again/", accounts_views.sign_in_again, name="sign_in_again"),
    path("accounts/reauthenticate/", allauth_views.reauthenticate, name="account_reauthenticate"),
    path("accounts/inactive/", allauth_views.account_inactive, name="account_inactive"),
    path("accounts/password/", accounts_views.change_password, name="account_change_password"),
    path("accounts/link/<int:user>/<str:token>/", accounts_views.open_link, name="open_link"),
    path("accounts/oidc/login/", provider.login, name="oidc_login"),
    path("accounts/oidc/callback/", provider.callback, name="oidc_callback"),
    path("accounts/cancelled/", accounts_views.cancelled, name="socialaccount_login_cancelled"),
    path("admin/login/", accounts_views.admin_sign_in),
    path("admin/", admin.site.urls),
]
if settings.LOCAL_PASSWORDS:  # elsewhere the provider asks for second factors, and nothing of ours opens anything
    urlpatterns.append(path("accounts/second-factor/", include("allauth.mfa.urls")))

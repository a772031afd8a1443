"""Whatever people may type or name a file holds a script here; every page is opened, and none of it runs."""

from uuid import uuid4

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from labeler.grading import label_store, queries
from labeler.models import AtlasPicture, Image, Study, User
from labeler.record import audit
from scoring.service import tokens
from tests import builders
from tests.test_who_may import ROWS, addresses
from training.models import TrainingRun

PASSWORD = "correct horse battery staple"
SCRIPT = "</title></script><img src=x onerror='pwned=1'><svg onload='pwned=1'><script>pwned=1</script>\"'{{7*7}}"
SHORT = "<svg onload='pwned=1'>\"'"

# A picture whose file is not there is no matter of this test.
pytestmark = pytest.mark.provokes("status of 404", "status of 422", "status of 500", "TrustedHTML")


@pytest.fixture
def infested(transactional_db: None) -> Study:
    """Return a study in which every text is a script."""
    root = User.objects.create_superuser("root", password=PASSWORD, first_name=SHORT, last_name=SHORT)
    study = builders.make_study(readers=(builders.make_user("ana"),), images=12, golden_size=4)
    Study.objects.update(title=SCRIPT)
    Image.objects.update(subject=SHORT, cluster=Image.objects.earliest("pk").pk, metadata={SCRIPT: SCRIPT})
    for number, image in enumerate(Image.objects.all()):
        Image.objects.filter(pk=image.pk).update(source_name=f"{number}{SCRIPT}.svg")
    study.grade_levels.update(name=SHORT, criterion=SCRIPT)
    AtlasPicture.objects.create(level=study.grade_levels.all()[0], file="examples/one", caption=SCRIPT)
    for assignment in queries.upcoming(study.readers.get()):
        label_store.record_label(
            assignment=assignment, version=0, submission=uuid4(), not_gradable="blurred", note=SCRIPT
        )
    audit.record(study, root, SHORT, detail=SCRIPT, reason=SCRIPT)
    audit.record(None, root, SHORT, detail=SCRIPT, reason=SCRIPT)
    tokens.make(name=SCRIPT[:100], study="acne", made_by=root)
    TrainingRun.objects.create(study=study, state="failed", error=SCRIPT, stage=SCRIPT[:120])
    return study


def of_study() -> list[str]:
    """Return the pages of a study and of the site that take nothing but its name."""
    shown = [name for name, row in ROWS.items() if "GET" in row.methods.split() and not row.but]
    files = {"training:export", "service_worker", "oidc_callback", "signed_in", "account_logout", "api:openapi-json"}
    return [
        name for name in shown if addresses()[name].arguments <= {"slug"} and name not in files | {"grade", "queue"}
    ]


def test_no_script_that_was_stored_runs(page: Page, infested: Study) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"{page.url} asks: {dialog.message}"))
    page.goto("/")
    page.get_by_label("User name").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Studies you run")).to_be_visible()
    page.goto("/studies/acne/unblind/")
    page.get_by_label("Why do you need to know?").fill(SCRIPT)
    page.get_by_role("button").last.click()
    run, image = TrainingRun.objects.get(), Image.objects.earliest("pk")
    more = [f"/studies/acne/images/{image.pk}/", f"/studies/acne/runs/{run.pk}/", "/admin/labeler/study/"]
    pages = [reverse(name, kwargs={"slug": "acne"} if addresses()[name].arguments else {}) for name in of_study()]
    texts = 0
    for address in [*pages, *more, "/studies/acne/gallery/?name=0", f"/studies/acne/gallery/?name={SCRIPT}"]:
        page.goto(address)
        page.wait_for_load_state()
        assert page.evaluate("window.pwned") is None, address
        assert page.locator("[onerror], [onload]").count() == 0, address
        texts += "onload='pwned=1'" in page.locator("body").inner_text()
    assert texts > 10, "The scripts are on no page: this test would pass whatever pages do."


def test_the_browser_itself_makes_no_page_of_text(page: Page, site: str) -> None:
    page.goto("/accounts/login/")
    refused = page.evaluate(
        "try { document.body.innerHTML = '<b>x</b>'; 'taken' } catch (error) { error.name + error.message }"
    )
    assert "TypeError" in refused
    assert "TrustedHTML" in refused
    assert page.evaluate("navigator.serviceWorker.ready.then(found => new URL(found.active.scriptURL).pathname)") == (
        "/service-worker.js"
    )

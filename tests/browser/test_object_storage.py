"""A study whose files all lie in object storage, filled from there in the browser by real web and worker processes."""

from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from tests import builders, object_storage, processes
from tests.browser.test_admin_pages import PASSWORD, open_as_olga, violations

SOON = 60_000  # ms: a worker imports


def test_photographs_come_from_object_storage_and_stay_there(
    browser: Browser, transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_study().admins.add(builders.make_user("olga", password=PASSWORD))
    for name, value in object_storage.KEYS.items():
        monkeypatch.setenv(name, value)
    with object_storage.serve() as address:
        place = {"S3_ENDPOINT": address, "MEDIA_BUCKET": "files", "INTAKE_PLACES": "s3://clinic/selfies"}
        for name, value in place.items():
            monkeypatch.setenv(name, value)
        files, clinic = (object_storage.bucket(address, name) for name in ("files", "clinic"))
        for number in range(3):
            clinic.put_object(Key=f"selfies/{number}.jpg", Body=builders.make_jpeg(number))
        clinic.put_object(Key="selfies/letter.pdf", Body=b"%PDF")
        with (
            processes.worker(tmp_path / "worker.log", queue="intake"),
            processes.web(tmp_path / "web.log") as served,
        ):
            page = browser.new_page(base_url=served.address, viewport={"width": 390, "height": 844})
            open_as_olga(page, "/studies/acne/images/")
            assert violations(page) == []
            page.get_by_role("button", name="Import from there").click()
            expect(page.get_by_role("main")).to_contain_text("letter.pdf", timeout=SOON)
            page.goto("/studies/acne/gallery/")
            thumbnails = page.locator(".gallery img")
            expect(thumbnails).to_have_count(3)
            for thumbnail in thumbnails.all():
                thumbnail.scroll_into_view_if_needed()
                expect(thumbnail).to_have_js_property("complete", value=True)
                assert thumbnail.evaluate("image => image.naturalWidth") > 0
            page.close()
        kept = [file.key for file in files.objects.all()]
        assert len([key for key in kept if key.startswith("originals/")]) == 3
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]

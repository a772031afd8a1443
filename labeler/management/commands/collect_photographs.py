"""manage.py collect_photographs"""

from typing import Any

from django.core.management.base import BaseCommand

from labeler.intake import orphaned_files


class Command(BaseCommand):
    help = "Delete files that killed imports left in storage: originals and renditions that belong to no image."

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        self.stdout.write(f"{orphaned_files.collect()} files were deleted.")

"""manage.py check_health"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from labeler.operations import health


class Command(BaseCommand):
    help = "Look at every part of the installation; say what is wrong and how to mend it. Exit status 1 if anything is."
    requires_system_checks = ()  # what they find is one of the findings

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        findings = health.examine()
        for finding in findings:
            mark = self.style.SUCCESS("well") if finding.is_well else self.style.ERROR("MEND")
            self.stdout.write(f"{mark}  {finding.name}: {finding.said}.")
            if not finding.is_well:
                self.stdout.write(f"      {finding.mend}")
        if any(health.troubles(findings)):
            sys.exit(1)

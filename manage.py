#!/usr/bin/env python
"""Django's command line, with the embedded servers running when no others are named."""

import os
import sys

from labeler import embedded


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeler.settings")
    from django.core.management import execute_from_command_line

    with embedded.servers():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

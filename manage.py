#!/usr/bin/env python
"""Django's command line, with the embedded servers running when no others are named."""

import os
import sys

from labeler.server import embedded


def main() -> None:
    os.umask(0o077)  # faces, secrets and labels: what we write is for this account alone
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeler.settings")
    from django.core.management import execute_from_command_line

    try:
        with embedded.servers():
            execute_from_command_line(sys.argv)
    except embedded.EmbeddedError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()

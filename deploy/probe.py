"""Ask a process whether it is ready: `python deploy/probe.py http://127.0.0.1:8000/readyz`. The image has no curl."""

import sys
from urllib.error import HTTPError
from urllib.request import urlopen

SECONDS = 8


def main() -> int:
    try:
        with urlopen(sys.argv[1], timeout=SECONDS) as answer:  # noqa: S310  an address of this container
            said, is_ready = answer.read(), True
    except HTTPError as error:
        said, is_ready = error.read(), False
    except OSError as error:
        said, is_ready = str(error).encode(), False
    sys.stdout.buffer.write(said + b"\n")
    return 0 if is_ready else 1


if __name__ == "__main__":
    sys.exit(main())

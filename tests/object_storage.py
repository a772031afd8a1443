"""A server on loopback that speaks S3, with buckets in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

KEYS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def serve() -> Iterator[str]:
    """Serve until the block ends; give the address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def bucket(address: str, name: str) -> Any:
    """Make a bucket, empty."""
    storage = boto3.resource("s3", endpoint_url=address)
    made = storage.Bucket(name)
    made.create()
    made.objects.all().delete()
    return made

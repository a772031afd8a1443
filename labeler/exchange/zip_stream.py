"""A zip that is streamed: it is never whole in memory or on disk."""

import io
from collections.abc import Iterable, Iterator
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# The same contents give the same bytes, so no file says when it was packed.
PACKED_AT = (1980, 1, 1, 0, 0, 0)
READABLE = 0o100644 << 16  # a plain file, rw-r--r--

Entries = Iterable[tuple[str, Iterable[bytes]]]


class _Outlet(io.RawIOBase):
    """Where the zip is written: it can't be sought, so sizes follow each file, and what is written is taken away."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # ZipFile gives it bytes
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def stream(entries: Entries) -> Iterator[bytes]:
    """Yield the bytes of a zip of (name, contents) entries, in their order."""
    outlet = _Outlet()
    with ZipFile(outlet, "w") as archive:
        for name, contents in entries:
            about = ZipInfo(name, date_time=PACKED_AT)
            about.compress_type = ZIP_DEFLATED
            about.external_attr = READABLE
            # Its size is not known beforehand and may pass 4 GB.
            with archive.open(about, "w", force_zip64=True) as file:
                for chunk in contents:
                    file.write(chunk)
                    yield outlet.take()
    yield outlet.take()

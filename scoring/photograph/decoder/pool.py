"""Processes that decode, kept for the next file: starting one takes as long as decoding ten photographs. [core]

Each of our processes has as many as it has threads that decode at a time.
"""

import atexit
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parents[3]
# One heap and one thread for arithmetic: each further one takes addresses, which are what is limited.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

QUESTION = struct.Struct(">QQQ")  # the file's size, and the most bytes and pixels it may have

_idle: list["Decoder"] = []
_lock = threading.Lock()


class RefusedError(ValueError):
    """Why the decoder refuses a file, as a sentence for people."""


class DecoderStopped(RuntimeError):  # noqa: N818  what happened, whoever is at fault
    """The decoder ended over a file; `signal_number` says by which signal."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"The decoder was stopped by signal {signal_number}.")
        self.signal_number = signal_number


def decode(data: bytes, most_bytes: int, most_pixels: int) -> NDArray[np.uint8]:
    """Return the pixels (height, width, 3) of a file that has no more bytes and pixels than these.

    Raises RefusedError and DecoderStopped.

    A decoder that was killed from outside, as by a machine without memory, is replaced and asked once more.
    """
    try:
        return _decode(data, most_bytes, most_pixels)
    except DecoderStopped as error:
        if error.signal_number != signal.SIGKILL:
            raise
        return _decode(data, most_bytes, most_pixels)


def _decode(data: bytes, most_bytes: int, most_pixels: int) -> NDArray[np.uint8]:
    decoder = _take()
    try:
        pixels = decoder.ask(data, most_bytes, most_pixels)
    except RefusedError:
        _keep(decoder)
        raise
    except BaseException:  # it may be in the middle of an answer
        decoder.end()
        raise
    _keep(decoder)
    return pixels


def _take() -> "Decoder":
    while True:
        with _lock:
            decoder = _idle.pop() if _idle else None
        if decoder is None:
            return Decoder()
        if decoder.process.poll() is None:
            return decoder
        decoder.end()


def _keep(decoder: "Decoder") -> None:
    with _lock:
        _idle.append(decoder)


class Decoder:
    """One process that decodes."""

    def __init__(self, run: Sequence[str] = ("-m", "scoring.photograph.decoder.process")) -> None:
        self.socket, its = socket.socketpair()
        with its:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", *run],
                stdin=its.fileno(),
                cwd=REPOSITORY,
                env=os.environ | ENVIRONMENT,
                start_new_session=True,  # a terminal's Ctrl-C is for us
            )

    def ask(self, data: bytes, most_bytes: int = 2**30, most_pixels: int = 2**30) -> NDArray[np.uint8]:
        """Return the pixels (height, width, 3) of a file. Raises RefusedError and DecoderStopped."""
        try:
            self.socket.sendall(QUESTION.pack(len(data), most_bytes, most_pixels))
            self.socket.sendall(data)
            head, descriptors, _, _ = socket.recv_fds(self.socket, 8, 1)
            head += self._read(8 - len(head))
            height, length = struct.unpack(">II", head)
            if not descriptors:
                raise RefusedError(self._read(length).decode())
        except (BrokenPipeError, ConnectionResetError, EOFError) as error:
            raise DecoderStopped(-self.process.wait()) from error
        with os.fdopen(descriptors[0], "rb") as file:
            # Private: what is written to the array stays here.
            pixels = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        return np.frombuffer(pixels, np.uint8).reshape(height, length, 3)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.close()


def shared_memory() -> BinaryIO:
    """Return a file in memory that two processes may have, where the system knows such, or else on disk."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("pixels"), "w+b", buffering=0)
    return TemporaryFile(buffering=0)


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()


def _forget() -> None:
    """After a fork the decoders are the parent's: two who asked one would get each other's photographs."""
    global _lock  # noqa: PLW0603  another thread may have held it
    _lock = threading.Lock()
    for decoder in _idle:
        decoder.process.returncode = 0  # it is no child of this process, which need not wait for it
        decoder.socket.close()
    _idle.clear()


os.register_at_fork(after_in_child=_forget)

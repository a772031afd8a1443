"""The process that opens files of strangers, with a limit on its memory and its time. [core]

Its standard input is a socket, over which `pool` asks: a file's size, the limits it is held against, and the file. The
answer is the picture's height and width (4 bytes each) with the descriptor of memory that holds its pixels, or 0 and
the length of a sentence, and the sentence. It ends when its parent does.
"""

import fcntl
import mmap
import resource
import signal
import socket
import struct
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from scoring.photograph import decoding
from scoring.photograph.decoder import pool

MOST_CPU_SECONDS = 60  # for a file that apps may send; a progressive JPEG of the largest size takes ten
ITSELF = Path(__file__)  # a file that all decoders of a machine have, and can lock
STATM = Path("/proc/self/statm")  # Linux has it; elsewhere memory is not limited


def main() -> None:
    for stop in (signal.SIGINT, signal.SIGTERM):  # its parent may be at a last photograph
        signal.signal(stop, signal.SIG_IGN)
    idle = _address_space()
    with socket.socket(fileno=sys.stdin.fileno()) as parent, parent.makefile("rb") as questions:
        while len(head := questions.read(pool.QUESTION.size)) == pool.QUESTION.size:
            size, most_bytes, most_pixels = pool.QUESTION.unpack(head)
            data = questions.read(size)
            _allow_cpu(MOST_CPU_SECONDS)
            with ExitStack() as held:
                _answer(parent, data, decoding.Limits(most_bytes, most_pixels), idle + len(data), held)
            _allow_cpu(0)
            _limit(None)
            del data


def _answer(parent: socket.socket, data: bytes, limits: decoding.Limits, before: int, held: ExitStack) -> None:
    def limit(pixels: int) -> None:
        if pixels > decoding.MAX_PIXELS:
            # One at a time on this machine, or in this container, whose memory is not made for several.
            fcntl.flock(held.enter_context(ITSELF.open("rb")), fcntl.LOCK_EX)
            _allow_cpu(MOST_CPU_SECONDS * pixels / decoding.MAX_PIXELS)
        _limit(before + decoding.budget(pixels))

    try:
        limit(0)
        with pool.shared_memory() as file:

            def empty(shape: tuple[int, int, int]) -> decoding.Pixels:
                file.truncate(shape[0] * shape[1] * shape[2])
                return np.frombuffer(mmap.mmap(file.fileno(), 0), np.uint8).reshape(shape)

            height, width, _ = decoding.decode_here(data, limits, before_pixels=limit, empty=empty).shape
            socket.send_fds(parent, [struct.pack(">II", height, width)], [file.fileno()])
    except (decoding.ImageError, MemoryError) as error:
        _limit(None)
        sentence = (str(error) if isinstance(error, decoding.ImageError) else decoding.COSTLY).encode()
        parent.sendall(struct.pack(">II", 0, len(sentence)) + sentence)


def _allow_cpu(seconds: float) -> None:
    """Let this file have so many seconds, without a limit if 0: the timer's signal ends the process."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit(address_space: int | None) -> None:
    """Let this process have so many bytes of addresses, or as many as it had at first."""
    if STATM.exists():
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most if address_space is None else address_space, most))


def _address_space() -> int:
    return int(STATM.read_text().split()[0]) * resource.getpagesize() if STATM.exists() else 0


if __name__ == "__main__":
    main()

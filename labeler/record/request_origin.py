"""The address that a request came from, as far as the audit log keeps it (setting AUDIT_ADDRESSES)."""

from collections.abc import Callable
from contextvars import ContextVar
from ipaddress import IPv6Address, ip_address, ip_network

# Bits that are kept of a shortened address: a clinic or a provider's district, and no household.
BITS = {4: 24, 6: 48}

# What tells it, set by `labeler.server.headers.RememberOrigin`; a command and a worker come from nowhere.
current: ContextVar[Callable[[], str]] = ContextVar("origin", default=str)


def kept(address: str, policy: str) -> str:
    """Return what is kept of an address by the policy: "192.0.2.0/24" of 192.0.2.17, all of it, or nothing."""
    if policy == "none" or not address:
        return ""
    parsed = ip_address(address)
    parsed = (parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None) or parsed
    if policy == "full":
        return str(parsed)
    return str(ip_network(f"{parsed}/{BITS[parsed.version]}", strict=False))

"""Which internet addresses the server may connect to on a stranger's request. [core]"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's special-purpose registries, and what clouds serve their metadata on. Python's `is_global` alone is not enough.
REFUSED = [
    ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        "168.63.129.16/32",  # Azure's metadata, on an address that is public otherwise
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
]
# All of IPv6 that is routed. Outside lie loopback, link-local, private, and IPv4 in disguise (mapped, NAT64).
ROUTED = IPv6Network("2000::/3")


def parse(text: str) -> Address:
    """Raises ValueError."""
    return ip_address(text)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and so not to a network of ours."""
    if isinstance(address, IPv6Address) and (address not in ROUTED or _hidden(address)):
        return False
    return address.is_global and not any(address in block for block in REFUSED if block.version == address.version)


def _hidden(address: IPv6Address) -> bool:
    """Whether an interface's identifier says that the packet goes on to an IPv4 address (ISATAP, RFC 5214)."""
    return (int(address) >> 32) & 0xFFFFFFFF in {0x00005EFE, 0x02005EFE}

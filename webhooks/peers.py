"""Who sent a request: the peer's own address, or what a listed proxy says of it (S10)."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address


class Peers:
    """Tells a request's sender from its socket and its X-Forwarded-For header."""

    def __init__(self, trusted_proxies: Sequence[IPv4Network | IPv6Network]) -> None:
        self._trusted = tuple(trusted_proxies)

    def is_trusted(self, address: str) -> bool:
        """Tell whether `address` is a listed proxy."""
        if not self._trusted:
            return False
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._trusted)

    def sender(self, socket_address: str, forwarded_for: str) -> str:
        """Return the nearest address that is not a listed proxy.

        Args:
            socket_address: The address at the other end of the connection.
            forwarded_for: The X-Forwarded-For header; believed only from listed proxies, read
                from its end, where the nearest proxy wrote.
        """
        sender = socket_address
        hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
        while self.is_trusted(sender) and hops:
            sender = hops.pop()
        return sender.removeprefix("::ffff:") if "." in sender else sender


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows an IPv4 peer as ::ffff:192.0.2.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address

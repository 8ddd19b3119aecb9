"""Which addresses webhooks may call: public ones by https, and what the settings allow by name. No packet is sent here.

Whoever may make a webhook chooses an address that this machine then calls (SSRF), so what is not plainly a public
address is refused; and the address that was checked is the one that is connected to, never a second look-up's.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from services.errors import Invalid

Resolver = Callable[[str, int], Sequence[str]]
"""The addresses of a host. Raises OSError where there are none."""

RESOLVE_S = 5.0
"""How long a resolver may take: none can be told to stop, so nobody waits for it any longer."""
REFUSED_PORTS = frozenset({0, 22, 25})
PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".onion")
REFUSED_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "192.0.0.0/24",  # of protocols, and Oracle's metadata
            "168.63.129.16/32",  # Azure's platform address, which is public by its number only
            "192.88.99.0/24",  # relays of 6to4
        ),
    )
)
GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
"""Beyond it are NAT64 (64:ff9b::/96), mapped and compatible IPv4, private, site-local, link-local and multicast."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][!-~]*)?"
)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True)
class Endpoint:
    """A URL that may be called, as far as it can be told without its addresses."""

    scheme: str
    host: str
    """In small letters; IPv6 without brackets."""
    port: int
    target: str
    """Path and query."""
    is_allowed_private: bool
    """Whether the settings name it."""

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    def at(self, address: str) -> str:
        """The URL with the address in place of the host's name."""
        host = f"[{address}]" if ":" in address else address
        return f"{self.scheme}://{host}:{self.port}{self.target}"


def look_up(host: str, port: int) -> Sequence[str]:
    """The system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def read_endpoint(url: str, allowed_hosts: Collection[str]) -> Endpoint:
    """The parts of a URL that webhooks may call. Raises Invalid; resolves nothing."""
    parts = _URL.fullmatch(url)
    if parts is None or "\\" in url or "#" in url:
        raise Invalid(
            "url: expected https://host[:port]/path in printable ASCII (names in punycode), without user, password or "
            "fragment"
        )
    scheme, host = parts["scheme"], parts["host"].lower().removeprefix("[").removesuffix("]")
    port = int(parts["port"] or (443 if scheme == "https" else 80))
    is_allowed = bool({host, f"{host}:{port}", f"[{host}]:{port}"} & {name.lower() for name in allowed_hosts})
    if scheme != "https" and not is_allowed:
        raise Invalid("url: found http, expected https")
    if port > 65535 or port in REFUSED_PORTS:
        raise Invalid(f"url: found port {port}, which webhooks may not call")
    _check_host(host, is_allowed)
    target = parts["target"] or "/"
    return Endpoint(scheme, host, port, target if target.startswith("/") else f"/{target}", is_allowed)


def resolve(endpoint: Endpoint, resolver: Resolver = look_up, *, within_s: float = RESOLVE_S) -> Sequence[str]:
    """The addresses that an endpoint has now, if every one may be called. Raises Invalid, or OSError where it
    has none, or the resolver does not say so in time."""
    literal = _literal(endpoint.host)
    addresses = [str(literal)] if literal else list(_asked(resolver, endpoint, within_s))
    if not addresses:
        raise OSError(f"{endpoint.host} has no address")
    for address in addresses:
        _check_address(address, endpoint)
    return addresses


def _asked(resolver: Resolver, endpoint: Endpoint, within_s: float) -> Sequence[str]:
    """What the resolver answers in time; later, its answer is for nobody."""
    answer: Future[Sequence[str]] = Future()

    def ask() -> None:
        try:
            answer.set_result(resolver(endpoint.host, endpoint.port))
        except Exception as error:  # noqa: BLE001, raised where it is awaited
            answer.set_exception(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        return answer.result(within_s)
    except TimeoutError:
        raise OSError(f"the resolver said nothing of {endpoint.host} within {within_s:g} s") from None


def _check_host(host: str, is_allowed: bool) -> None:
    if _literal(host) is not None:
        return
    if ":" in host:
        raise Invalid("url: the address is not a valid IPv6 address")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Invalid("url: the host is not a valid name (no dot at the end; names in punycode)")
    if _NUMBER.fullmatch(labels[-1]):
        raise Invalid("url: the host is a number, but not an IPv4 address of four decimal parts")
    if not is_allowed and (len(labels) == 1 or host.endswith(PRIVATE_SUFFIXES)):
        raise Invalid("url: the host is a name of a private network")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_address(text: str, endpoint: Endpoint) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # a scope (`fe80::1%eth0`) is link-local
        raise Invalid("url: the host has an address that webhooks may not call") from None
    permitted = is_public(address) or (endpoint.is_allowed_private and _is_local(address))
    if not permitted:
        raise Invalid("url: the host has an address that webhooks may not call: only public ones")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is plainly one of the public internet; tunnels are what they lead to."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in net for net in REFUSED_V4)
    if address not in GLOBAL_UNICAST_V6 or not address.is_global or address.teredo is not None:
        return False
    return address.sixtofour is None or is_public(address.sixtofour)


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    """What the settings may allow by name: private and loopback, but no metadata service and no broadcast."""
    is_special = address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
    is_metadata = address == IPv6Address("fd00:ec2::254")
    return (address.is_private or address.is_loopback) and not is_special and not is_metadata

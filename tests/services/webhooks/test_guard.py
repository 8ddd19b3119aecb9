"""Which URLs webhooks may call. No packet is sent: names are resolved by a table."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest

from services.errors import Invalid
from services.webhooks.guard import read_endpoint, resolve

PUBLIC = "93.184.215.14"
NAMES = {
    "hooks.example.com": (PUBLIC,),
    "six.example.com": ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", PUBLIC),
    "xn--bcher-kva.example": (PUBLIC,),
    "rebound.example.com": ("127.0.0.1",),
    "mixed.example.com": (PUBLIC, "10.0.0.1"),
    "metadata.example.com": ("169.254.169.254",),
    "metadata6.example.com": ("fd00:ec2::254",),
    "mapped.example.com": ("::ffff:10.0.0.1",),
    "nat64.example.com": ("64:ff9b::a00:1",),
    "scoped.example.com": ("fe80::1%eth0",),
    "minio.lan.example": ("10.1.2.3",),
    "linklocal.lan.example": ("169.254.169.254",),
}
ALLOWED = ("minio.lan.example", "127.0.0.1:9000", "linklocal.lan.example")


def from_table(host: str, port: int) -> Sequence[str]:
    """A resolver that asks nobody."""
    if host not in NAMES:
        raise OSError(f"{host} is not in the table")
    return NAMES[host]


REFUSED = [
    ("http://hooks.example.com/", "not https"),
    ("ftp://hooks.example.com/", "scheme"),
    ("file:///etc/passwd", "scheme"),
    ("gopher://127.0.0.1:25/", "scheme"),
    ("https:/hooks.example.com/", "one slash"),
    ("//hooks.example.com/", "no scheme"),
    ("hooks.example.com", "no scheme"),
    ("https://", "no host"),
    ("https:///path", "no host"),
    ("https://?x=1", "no host"),
    ("HTTPS://hooks.example.com/", "scheme in capitals is another spelling"),
    ("https://user@hooks.example.com/", "user"),
    ("https://user:secret@hooks.example.com/", "password"),
    ("https://hooks.example.com@127.0.0.1/", "host behind a user"),
    ("https://hooks.example.com#@127.0.0.1/", "fragment"),
    ("https://hooks.example.com/#part", "fragment"),
    ("https://hooks.example.com\\@127.0.0.1/", "backslash"),
    ("https://127.0.0.1\\.example.com/", "backslash"),
    ("https://hooks.example.com/\r\nX-Evil: 1", "header injection"),
    ("https://hooks.example.com/ a", "space"),
    ("https://hooks.example.com/\x00", "NUL"),
    (" https://hooks.example.com/", "space before"),
    ("https://hooks.example.com/ü", "not ASCII"),
    ("https://bücher.example/", "not punycode"),
    ("https://127。0。0。1/", "ideographic dots"),
    ("https://①②⑦.⓪.⓪.①/", "circled digits"),
    ("https://hooks.example.com./", "dot at the end"),
    ("https://hooks..example.com/", "empty label"),
    ("https://-hooks.example.com/", "hyphen first"),
    ("https://hooks_1.example.com/", "underscore"),
    ("https://hooks.example.com:0/", "port 0"),
    ("https://hooks.example.com:22/", "SSH"),
    ("https://hooks.example.com:25/", "SMTP"),
    ("https://hooks.example.com:65536/", "no such port"),
    ("https://hooks.example.com:99999/", "no such port"),
    ("https://hooks.example.com:-1/", "port"),
    ("https://hooks.example.com:/", "empty port"),
    ("https://localhost/", "one label"),
    ("https://localhost:8321/", "one label"),
    ("https://intranet/", "one label"),
    ("https://a.localhost/", "loopback by its name"),
    ("https://printer.local/", "multicast DNS"),
    ("https://metadata.google.internal/", "metadata"),
    ("https://router.home.arpa/", "home network"),
    ("https://127.0.0.1/", "loopback"),
    ("https://127.255.255.254/", "loopback"),
    ("https://0.0.0.0/", "unspecified"),
    ("https://0.1.2.3/", "this network"),
    ("https://10.0.0.1/", "private"),
    ("https://172.16.0.1/", "private"),
    ("https://172.31.255.255/", "private"),
    ("https://192.168.1.1/", "private"),
    ("https://169.254.169.254/latest/meta-data/", "metadata"),
    ("https://169.254.1.1/", "link-local"),
    ("https://100.64.0.1/", "carrier-grade NAT"),
    ("https://100.100.100.200/", "metadata within carrier-grade NAT"),
    ("https://192.0.0.192/", "metadata within the protocols' block"),
    ("https://168.63.129.16/", "a cloud's platform address"),
    ("https://192.0.2.1/", "documentation"),
    ("https://198.18.0.1/", "benchmarks"),
    ("https://192.88.99.1/", "relay of 6to4"),
    ("https://224.0.0.1/", "multicast"),
    ("https://239.255.255.250/", "multicast"),
    ("https://240.0.0.1/", "reserved"),
    ("https://255.255.255.255/", "broadcast"),
    ("https://2130706433/", "127.0.0.1 as a number"),
    ("https://0x7f000001/", "hexadecimal"),
    ("https://0x7f.0.0.1/", "hexadecimal first part"),
    ("https://127.0.0.0x1/", "hexadecimal last part"),
    ("https://0177.0.0.1/", "octal"),
    ("https://127.1/", "short"),
    ("https://127.0.1/", "short"),
    ("https://0/", "short"),
    ("https://1.2.3.4.5/", "five parts"),
    ("https://999.1.1.1/", "no such part"),
    ("https://example.0x/", "ends in an empty hexadecimal number"),
    ("https://[::]/", "unspecified"),
    ("https://[::1]/", "loopback"),
    ("https://[0:0:0:0:0:0:0:1]/", "loopback spelled out"),
    ("https://[::ffff:127.0.0.1]/", "mapped"),
    ("https://[::ffff:7f00:1]/", "mapped in hexadecimal"),
    ("https://[::ffff:93.184.215.14]/", "mapped, although public"),
    ("https://[::127.0.0.1]/", "compatible"),
    ("https://[64:ff9b::7f00:1]/", "NAT64"),
    ("https://[64:ff9b:1::a00:1]/", "local NAT64"),
    ("https://[2002:7f00:1::]/", "6to4 of loopback"),
    ("https://[2002:a00:1::]/", "6to4 of private"),
    ("https://[2002:a9fe:a9fe::]/", "6to4 of metadata"),
    ("https://[2001:0:5ef5:79fd::1]/", "Teredo"),
    ("https://[2001:db8::1]/", "documentation"),
    ("https://[fc00::1]/", "private"),
    ("https://[fd00:ec2::254]/", "metadata"),
    ("https://[fe80::1]/", "link-local"),
    ("https://[fe80::1%25eth0]/", "scope"),
    ("https://[fec0::1]/", "site-local"),
    ("https://[ff02::1]/", "multicast"),
    ("https://[::1/", "open bracket"),
    ("https://[hooks.example.com]/", "name in brackets"),
    ("https://rebound.example.com/", "a public name of loopback"),
    ("https://mixed.example.com/", "one of two addresses is private"),
    ("https://metadata.example.com/", "a public name of metadata"),
    ("https://metadata6.example.com/", "a public name of metadata"),
    ("https://mapped.example.com/", "a public name of a mapped address"),
    ("https://nat64.example.com/", "a public name of NAT64"),
    ("https://scoped.example.com/", "a public name of a scoped address"),
    ("http://127.0.0.1:9001/", "another port than the settings name"),
    ("https://user@minio.lan.example/", "user, although the settings name the host"),
    ("https://minio.lan.example.evil.example.com#/", "an allowed name as a prefix"),
    ("http://linklocal.lan.example/", "metadata, although the settings name the host"),
]


@pytest.mark.parametrize(("url", "why"), REFUSED)
def test_it_is_refused(url: str, why: str) -> None:
    with pytest.raises(Invalid) as caught:
        resolve(read_endpoint(url, ALLOWED), from_table)
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "addresses"),
    [
        ("https://hooks.example.com", "hooks.example.com", 443, "/", [PUBLIC]),
        ("https://Hooks.Example.COM/a/b?c=@d", "hooks.example.com", 443, "/a/b?c=@d", [PUBLIC]),
        ("https://hooks.example.com:8443?q", "hooks.example.com", 8443, "/?q", [PUBLIC]),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", [PUBLIC]),
        ("https://six.example.com/", "six.example.com", 443, "/", list(NAMES["six.example.com"])),
        (f"https://{PUBLIC}/", PUBLIC, 443, "/", [PUBLIC]),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443, "/", ["2606:4700::1111"]),
        ("https://[2002:5db8:d70e::]/", "2002:5db8:d70e::", 443, "/", ["2002:5db8:d70e::"]),
        ("http://minio.lan.example/x", "minio.lan.example", 80, "/x", ["10.1.2.3"]),
        ("http://127.0.0.1:9000/x", "127.0.0.1", 9000, "/x", ["127.0.0.1"]),
    ],
)
def test_it_may_be_called(url: str, host: str, port: int, target: str, addresses: list[str]) -> None:
    endpoint = read_endpoint(url, ALLOWED)
    assert (endpoint.host, endpoint.port, endpoint.target) == (host, port, target)
    assert list(resolve(endpoint, from_table)) == addresses


def test_the_address_takes_the_name_s_place_in_the_url_and_the_name_stays_in_the_header() -> None:
    endpoint = read_endpoint("https://six.example.com:8443/a?b", ())
    assert endpoint.at("2606:4700::1111") == "https://[2606:4700::1111]:8443/a?b"
    assert endpoint.authority == "six.example.com:8443"
    assert read_endpoint("https://six.example.com/", ()).authority == "six.example.com"
    assert read_endpoint("https://[2606:4700::1]/", ()).authority == "[2606:4700::1]"


def test_a_name_without_an_address_says_so() -> None:
    with pytest.raises(OSError, match="table"):
        resolve(read_endpoint("https://nowhere.example.com/", ()), from_table)
    with pytest.raises(OSError, match="no address"):
        resolve(read_endpoint("https://nowhere.example.com/", ()), lambda host, port: ())


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    hangs = threading.Event()

    def resolver(host: str, port: int) -> Sequence[str]:
        hangs.wait()
        return ["93.184.215.14"]

    try:
        with pytest.raises(OSError, match="said nothing of hooks"):
            resolve(read_endpoint("https://hooks.example.com/", ()), resolver, within_s=0.01)
    finally:
        hangs.set()


def test_nothing_is_connected_to() -> None:
    """A socket on loopback that every refused spelling of loopback would reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        port = server.getsockname()[1]
        seen: list[object] = []

        def accept() -> None:
            try:
                seen.append(server.accept())
            except TimeoutError:
                return

        waiting = threading.Thread(target=accept)
        waiting.start()
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1"):
            with pytest.raises(Invalid):
                resolve(read_endpoint(f"https://{host}:{port}/", ()))
        waiting.join()
        assert seen == []

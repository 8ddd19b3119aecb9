"""An OpenID Connect issuer for tests: keys, tokens, and a server of its JWKS over TLS on this machine."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

ISSUER, AUDIENCE = "https://issuer.example", "curation"


class Issuer:
    """Signs tokens with a key that is in its JWKS."""

    def __init__(self, kid: str = "one") -> None:
        self.key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})
        self.unbound = RSAKey.import_key({k: v for k, v in self.key.as_dict(private=True).items() if k != "alg"})
        """The same key, which says nothing of its algorithm."""

    def jwks(self) -> str:
        return json.dumps({"keys": [self.key.as_dict(private=False), {"kty": "new", "kid": "unknown"}]})

    def write(self, folder: Path) -> str:
        """The JWKS as a file; its URL."""
        (folder / "jwks.json").write_text(self.jwks())
        return f"file://{folder / 'jwks.json'}"

    def token(
        self,
        *,
        header: Mapping[str, Any] | None = None,
        key: RSAKey | ECKey | OctKey | None = None,
        **claims: Any,
    ) -> str:
        """A token that is valid, but for what is changed; a claim of None is left out."""
        now = int(time.time())
        defaults = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "curation_roles": {"default": "editor"},
        }
        present = {name: value for name, value in {**defaults, **claims}.items() if value is not None}
        head = {name: value for name, value in {"alg": "RS256", "kid": self.key.kid, **(header or {})}.items() if value}
        return jwt.encode(head, present, key or self.key, algorithms=[str(head["alg"])])


def unsigned(**header: Any) -> Callable[[Issuer], str]:
    """A token of the issuer with another header and no signature, or the old one."""

    def forge(issuer: Issuer) -> str:
        _, payload, signature = issuer.token().split(".")
        head = base64.urlsafe_b64encode(json.dumps({"kid": "one", **header}).encode()).decode().rstrip("=")
        return f"{head}.{payload}.{'' if header.get('alg') in (None, 'none') else signature}"

    return forge


def signed_with_the_public_key(issuer: Issuer) -> str:
    """The old attack: HS256, whose secret is the public key's text."""
    public = issuer.key.as_pem(private=False)
    return issuer.token(header={"alg": "HS256"}, key=OctKey.import_key(base64.b64encode(public)))


def now(seconds: float) -> int:
    return int(time.time() + seconds)


FORGERIES: dict[str, Callable[[Issuer], str]] = {
    "alg none": unsigned(alg="none"),
    "alg None": unsigned(alg="None"),
    "alg empty": unsigned(alg=""),
    "alg is a list": unsigned(alg=["RS256"]),
    "no alg": unsigned(),
    "HS256 header": unsigned(alg="HS256"),
    "HS256 by the public key": signed_with_the_public_key,
    "another algorithm": lambda i: i.token(header={"alg": "RS512"}, key=i.unbound),
    "another key": lambda i: i.token(key=Issuer().key),
    "another kind of key": lambda i: i.token(header={"alg": "ES256"}, key=ECKey.generate_key("P-256")),
    "unknown kid": lambda i: i.token(header={"kid": "two"}),
    "no kid": lambda i: i.token(header={"kid": None}),
    "kid is a path": lambda i: i.token(header={"kid": "../../../../etc/passwd"}),
    "kid is a query": lambda i: i.token(header={"kid": "x' UNION SELECT 'y"}),
    "kid is an object": unsigned(alg="RS256", kid={"one": 1}),
    "its own key": unsigned(alg="RS256", jwk=Issuer().key.as_dict(private=False)),
    "its own address": unsigned(alg="RS256", jku="http://127.0.0.1:1/jwks"),
    "wrong issuer": lambda i: i.token(iss=ISSUER + "/"),
    "no issuer": lambda i: i.token(iss=None),
    "wrong audience": lambda i: i.token(aud="another"),
    "no audience": lambda i: i.token(aud=None),
    "many audiences": lambda i: i.token(aud=["a", "b"]),
    "expired": lambda i: i.token(exp=now(-61)),
    "no expiry": lambda i: i.token(exp=None),
    "expiry is text": lambda i: i.token(exp="never"),
    "not yet": lambda i: i.token(nbf=now(120)),
    "issued in the future": lambda i: i.token(iat=now(120)),
    "no subject": lambda i: i.token(sub=None),
    "empty subject": lambda i: i.token(sub=""),
    "subject with NUL": lambda i: i.token(sub="a\0b"),
    "long subject": lambda i: i.token(sub="a" * 181),
    "subject is a number": lambda i: i.token(sub=7),
    "changed": lambda i: i.token()[:-4] + "AAAA",
    "a part too many": lambda i: i.token() + ".x",
    "a part too few": lambda i: i.token().rpartition(".")[0],
    "two dots": lambda i: "..",
    "no JSON": lambda i: "eA.eA.eA",
    "a list": lambda i: "W10.W10.W10",
    "deep": lambda i: base64.urlsafe_b64encode(b"[" * 9000).decode() + ".e30.e30",
    "long": lambda i: i.token(padding="x" * 20_000),
    "no ASCII": lambda i: "é.é.é",
}
"""What looks like a token, and must let nobody in."""


class JwksServer:
    """Answers with what it is told to, over TLS."""

    def __init__(self, answer: Callable[[], tuple[int, dict[str, str], bytes]], folder: Path) -> None:
        self.asked = 0
        counted = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                counted.asked += 1
                status, headers, body = answer()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.client_tls = _certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.pem")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}/jwks"


@contextmanager
def jwks_server(answer: Callable[[], tuple[int, dict[str, str], bytes]], folder: Path) -> Iterator[JwksServer]:
    served = JwksServer(answer, folder)
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        served.server.shutdown()
        served.server.server_close()
        thread.join()


def _certificate(folder: Path) -> ssl.SSLContext:
    """Write `tls.pem` (key and certificate of 127.0.0.1), and return what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.pem").write_bytes(private + public)
    return ssl.create_default_context(cadata=public.decode())

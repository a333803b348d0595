"""A provider of identities on loopback: OpenID Connect with code flow and PKCE; whoever is named consents at once."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "unskew"


class Provider:
    """Says who somebody is.

    Parameters
    ----------
    secret : what the app and the provider share.
    """

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.key = RSAKey.generate_key(2048, {"kid": "of-the-tests", "use": "sig", "alg": "RS256"})
        self.people: dict[str, Mapping[str, Any]] = {}
        """Name -> claims; `sub` is the name."""
        self.who = ""
        """Who sits in front of the browser and consents; "" refuses."""
        self.valid_seconds = 3600.0
        self.ended: list[str] = []
        """Whom the app has signed out, by the token that it showed."""
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def metadata_url(self) -> str:
        return f"{self.address}/.well-known/openid-configuration"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # -- what is asked ------------------------------------------------------------------------------------------------

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/jwks",
            "end_session_endpoint": f"{self.address}/end",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    def authorize(self, asked: Mapping[str, str]) -> str:
        """Where the browser goes next."""
        if not self.who or asked.get("client_id") != CLIENT or asked.get("code_challenge_method") != "S256":
            said = {"error": "access_denied", "state": asked.get("state", "")}
        else:
            code = secrets.token_urlsafe(24)
            self._codes[code] = {**asked, "who": self.who}
            said = {"code": code, "state": asked.get("state", "")}
        return f"{asked['redirect_uri']}?{urlencode(said)}"

    def token(self, asked: Mapping[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The tokens of a code, which is good for once."""
        begun = self._codes.pop(asked.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(asked.get("code_verifier", "").encode()).digest()).rstrip(
            b"="
        )
        basic = "Basic " + base64.b64encode(f"{CLIENT}:{self.secret}".encode()).decode()
        known = authorization == basic or asked.get("client_secret") == self.secret
        if not known:
            return 401, {"error": "invalid_client"}
        if (
            begun is None
            or begun["redirect_uri"] != asked.get("redirect_uri")
            or begun["code_challenge"] != challenge.decode()
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": secrets.token_urlsafe(24),
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": self.identity(begun["who"], begun.get("nonce", "")),
        }

    def identity(self, who: str, nonce: str) -> str:
        """A signed token with the claims of somebody."""
        now = int(time.time())
        times = {"iat": now, "exp": now + int(self.valid_seconds)}
        claims = {"iss": self.address, "aud": CLIENT, "sub": who, **times, "nonce": nonce, **self.people[who]}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


@contextmanager
def provider(secret: str) -> Iterator[Provider]:
    running = Provider(secret)
    try:
        yield running
    finally:
        running.close()


def _handler(running: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
            if parts.path == "/.well-known/openid-configuration":
                self._json(200, running.metadata())
            elif parts.path == "/jwks":
                self._json(200, {"keys": [running.key.as_dict(private=False)]})
            elif parts.path == "/authorize":
                self._go(running.authorize(asked))
            elif parts.path == "/end":
                running.ended.append(asked.get("id_token_hint", ""))
                self._go(asked["post_logout_redirect_uri"])
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            asked = {key: values[0] for key, values in parse_qs(content).items()}
            self._json(*running.token(asked, self.headers.get("Authorization", "")))

        def _json(self, status: int, document: Mapping[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _go(self, address: str) -> None:
            self.send_response(302)
            self.send_header("Location", address)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    return Handler

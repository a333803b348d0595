"""nginx on free ports with a certificate of its own, as .github/deploy/nginx.conf sets it up."""

import datetime
import ipaddress
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.config import ROOT
from tests.ports import free_port
from tests.team.running import TeamServer

EXAMPLE = ROOT / ".github" / "deploy" / "nginx.conf"
STARTED_SECONDS = 20
FRAME = """{user}worker_processes 1;
daemon off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    include /etc/nginx/mime.types;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/unskew.conf;
}}
"""


def program() -> str | None:
    return shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx",) if Path(path).is_file()), None)


def why_not() -> str | None:
    """Why no nginx can be started here; None where one can."""
    return None if program() else "nginx is not installed: apt-get install nginx-light"


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {EXAMPLE.name}"
    return text.replace(old, new)


class Nginx:
    """A proxy before these replicas.

    Parameters
    ----------
    ports : of the replicas on this machine.
    identity : lines that say who somebody is, instead of those that take such headers away.
    """

    def __init__(self, folder: Path, ports: Sequence[int], identity: str = "") -> None:
        self.folder, self.port, self.plain = folder, free_port(), free_port()
        certificate(folder)
        text = EXAMPLE.read_text()
        text = replaced(text, "listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;")
        text = replaced(text, "listen 80;", f"listen 127.0.0.1:{self.plain};")
        text = replaced(text, "/etc/ssl/unskew/fullchain.pem", str(folder / "certificate.pem"))
        text = replaced(text, "/etc/ssl/unskew/key.pem", str(folder / "key.pem"))
        text = text.replace("server_name unskew.example.org", "server_name localhost")
        servers = "\n    ".join(f"server 127.0.0.1:{port};" for port in ports)
        text = replaced(text, "server 127.0.0.1:8501;", servers)
        if identity:
            for name in ("X-Forwarded-Email", "X-Forwarded-Groups", "X-Unskew-Proxy"):
                text = replaced(text, f'    proxy_set_header {name} "";\n', "")
            text = replaced(text, "    proxy_buffering off;", f"{identity}\n    proxy_buffering off;")
        (folder / "unskew.conf").write_text(text)
        user = "user root;\n" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(FRAME.format(user=user, folder=folder))
        self._running: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self) -> "Nginx":
        command = [str(program()), "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]
        self._running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + STARTED_SECONDS
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.plain}/")
                return self
            except httpx.HTTPError:
                if self._running.poll() is not None or time.monotonic() > end:
                    log = self.folder / "error.log"
                    raise RuntimeError(log.read_text() if log.exists() else "nginx did not start") from None
                time.sleep(0.1)

    def stop(self) -> None:
        if self._running is not None:
            self._running.send_signal(signal.SIGTERM)
            self._running.wait(timeout=20)


@contextmanager
def behind_nginx(text: str, identity: str = "") -> Iterator[tuple[TeamServer, Nginx]]:
    """A team server of this configuration, without its [server], and the proxy before it. Skips without nginx."""
    if why := why_not():
        pytest.skip(why)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="unskew-nginx"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "team").mkdir()
        server = TeamServer(folder / "team", text)
        stack.callback(server.kill)
        proxy = Nginx(folder, [server.port], identity)
        server.name_outside(proxy.address)
        server.start()
        stack.callback(proxy.stop)
        yield server, proxy.start()


def certificate(folder: Path) -> None:
    """A certificate for localhost that nobody but these tests takes for good."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))

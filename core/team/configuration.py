"""The team server's one file: who may enter, as what, which folders, how much, and where labels and jobs are kept.

Read once when the server or a worker starts. Secrets are never in it: they come from the environment.
"""

import functools
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.access import CONFIG_VARIABLE, ROLES
from core.config import InputError

MODES = ("open", "oidc", "proxy-header", "kiosk")
KINDS = ("galleries", "saes", "models", "audits")
OIDC_SECRET, COOKIE_SECRET, PROXY_SECRET = "UNSKEW_OIDC_SECRET", "UNSKEW_COOKIE_SECRET", "UNSKEW_PROXY_SECRET"
"""Environment variables: the provider's client secret, what signs the cookie, what the proxy says with every request."""
SHORTEST_SECRET = 32
LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Limits:
    """What one person of a role may take; None: no limit of its own."""

    upload_mb: float | None = None
    """Files that wait in one session."""
    jobs: int | None = None
    """Jobs that wait or run at once."""
    disk_gb: float | None = None
    """What the person's jobs have made and is still there."""


@dataclass(frozen=True)
class Configuration:
    """The file's sections, checked; see assets/guide/team-server.md for every key."""

    path: Path
    mode: str
    address: str = "127.0.0.1"
    port: int = 8501
    public_url: str = ""
    """What people type: https://unskew.example.org."""
    offline: bool = True
    metrics_address: str = "127.0.0.1"
    metrics_port: int = 9465
    everyone: frozenset[str] = frozenset()
    """Roles of everyone who enters; in mode "open" of everyone at all."""
    grants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Role -> who has it: "ada@example.org", "@example.org" (a domain), "group:auditors"."""
    oidc: Mapping[str, Any] = field(default_factory=dict)
    """metadata_url, client_id, groups_claim ("groups")."""
    proxy: Mapping[str, Any] = field(default_factory=dict)
    """header, groups_header, trusted (networks of the proxy)."""
    kiosk: Mapping[str, Any] = field(default_factory=dict)
    """galleries (names), idle_minutes."""
    roots: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    """Kind -> name -> folder: all that this server opens beside what is shipped."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """Role -> limits; of several roles the largest holds."""
    home: Path | None = None
    """The server's own folder (UNSKEW_HOME); None: the user's."""
    labels: str = ""
    """Address of the label log; "" is SQLite in the own folder."""
    jobs: str = ""
    """Address of the job store: "", sqlite:///..., postgresql://..., redis://... for its queue."""
    workers: int = 1
    job_memory_gb: float | None = None
    job_hours: float = 12.0
    record: str = ""
    """Address of the record of what was done; "" is SQLite in the own folder."""

    def secret(self, variable: str) -> str:
        """Value of a secret's environment variable; InputError, without the value, where it is missing or short."""
        value = os.environ.get(variable, "")
        if len(value) < SHORTEST_SECRET:
            raise InputError(
                f"{variable} holds {len(value)} characters; expected at least {SHORTEST_SECRET} random ones in this "
                "environment variable (secrets never stand in the file)"
            )
        return value


@functools.cache
def current() -> Configuration | None:
    """The configuration in force in this process ($UNSKEW_CONFIG), or None: one person works alone."""
    path = os.environ.get(CONFIG_VARIABLE)
    return read(Path(path)) if path else None


def read(path: Path) -> Configuration:
    """The file as a Configuration; InputError with all that is wrong, a line each, where anything is."""
    configuration, wrong = checked(path)
    if configuration is None:
        raise InputError("; ".join(wrong))
    return configuration


def checked(path: Path) -> tuple[Configuration | None, list[str]]:
    """The configuration, or None and one line for everything that is wrong: key, what was given, what was expected."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None, [f"{path}: there is no such file; see the guide's page on team servers for an example"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return None, [f"{path}: is no readable TOML: {error}"]
    return _Reader(path, document).result()


class _Reader:
    """Takes the document apart and gathers what is wrong, so that one start says all of it."""

    def __init__(self, path: Path, document: Mapping[str, Any]) -> None:
        self.path, self.document = path, document
        self.wrong: list[str] = []

    def result(self) -> tuple[Configuration | None, list[str]]:
        access = self._table("access")
        mode = access.get("mode", "open")
        if mode not in MODES:
            self.wrong.append(f"[access] mode is {mode!r}; expected one of {', '.join(MODES)}")
        for network in self._table("access").get("proxy", {}).get("trusted", ()):
            try:
                ipaddress.ip_network(network)
            except ValueError:
                self.wrong.append(f"[access.proxy] trusted holds {network!r}; expected an address or a network")
        for role in self._table("roles"):
            if role not in ROLES:
                self.wrong.append(f"[roles] {role!r} is no role; expected {', '.join(ROLES)}")
        if self.wrong:
            return None, self.wrong
        return Configuration(self.path, mode), []

    def _table(self, name: str) -> Mapping[str, Any]:
        value = self.document.get(name, {})
        if not isinstance(value, Mapping):
            self.wrong.append(f"[{name}] is {value!r}; expected a table")
            return {}
        return value

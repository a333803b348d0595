"""What a team server's configuration says, once it is read: who may enter, as what, which folders, how much.

Secrets are never in it: they come from the environment.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.config import InputError

MODES = ("open", "oidc", "proxy-header", "kiosk")
KINDS = ("galleries", "saes", "models", "audits")
OIDC_SECRET, COOKIE_SECRET, PROXY_SECRET = "UNSKEW_OIDC_SECRET", "UNSKEW_COOKIE_SECRET", "UNSKEW_PROXY_SECRET"
"""Environment variables: the provider's client secret, what signs the cookie, what the proxy says in every request."""
SHORTEST_SECRET = 32
SHORTEST_OIDC_SECRET = 16
"""Providers draw this one, some of them short."""
LABELS_VARIABLE, JOBS_VARIABLE, RECORD_VARIABLE = "UNSKEW_LABELS", "UNSKEW_JOBS", "UNSKEW_RECORD"
"""Whole addresses of databases, for those that hold a password; they stand where the file names none."""
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
    """Roles of everyone who enters; in mode "open" of everyone at all, at a kiosk always "guest"."""
    contact: str = ""
    """Whom to ask for a role, as it stands on the page of those who have none."""
    grants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Role -> who has it: "ada@example.org", "@example.org" (a domain), "group:auditors"."""
    oidc: Mapping[str, Any] = field(default_factory=dict)
    """metadata_url, client_id, groups_claim ("groups"), scopes."""
    proxy: Mapping[str, Any] = field(default_factory=dict)
    """header, groups_header, trusted (networks of the proxy)."""
    kiosk: Mapping[str, Any] = field(default_factory=dict)
    """galleries (names), idle_minutes."""
    roots: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    """Kind -> name -> folder: all that this server opens beside what is shipped. A root is one gallery (SAE, model), or
    holds several, which are then called NAME/FOLDER; what is made here goes into the kind's first root that holds
    several."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Name -> model by its own name ("RN50:openai"), whose weights are on this machine."""
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
    job_keep_days: float = 90.0
    job_keep: int = 10_000
    """How long, and how many, jobs that are over are listed."""
    record: str = ""
    """Address of the record of what was done; "" is SQLite in the own folder."""

    def secret(self, variable: str) -> str:
        """Value of a secret's environment variable; InputError, without the value, where it is missing or short."""
        value = os.environ.get(variable, "")
        shortest = SHORTEST_OIDC_SECRET if variable == OIDC_SECRET else SHORTEST_SECRET
        if len(value) < shortest:
            raise InputError(
                f"{variable} holds {len(value)} characters; expected at least {shortest} random ones in this "
                "environment variable (secrets never stand in the file)"
            )
        return value

    @property
    def local(self) -> bool:
        """Whether only this machine reaches the server: a loopback address, and none beside it that people type."""
        return self.address in LOCAL and (not self.public_url or urlsplit(self.public_url).hostname in LOCAL)

"""The team server's one file: read once when the server or a worker starts, and checked whole.

Secrets are never in it: they come from the environment.
"""

import functools
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from core.access import CONFIG_VARIABLE, GUEST, ROLES
from core.config import ASSETS, HOME_VARIABLE, InputError
from core.team.sections import Section
from core.team.settings import (
    COOKIE_SECRET,
    JOBS_VARIABLE,
    KINDS,
    LABELS_VARIABLE,
    LOCAL,
    MODES,
    OIDC_SECRET,
    PROXY_SECRET,
    RECORD_VARIABLE,
    Configuration,
    Limits,
)

__all__ = ["Configuration", "Limits", "checked", "current", "places", "read", "take_up"]

DATABASES = ("sqlite:///", "postgresql://", "postgresql+psycopg://")
QUEUES = (*DATABASES, "redis://", "rediss://")
SECRETS = {"oidc": (OIDC_SECRET, COOKIE_SECRET), "proxy-header": (PROXY_SECRET,)}
ROOT_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}"
MODEL_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._/-]*"
HEADER_NAME = r"[A-Za-z0-9-]{1,80}"


def current() -> Configuration | None:
    """The configuration in force in this process ($UNSKEW_CONFIG), read once, or None: one person works alone."""
    path = os.environ.get(CONFIG_VARIABLE)
    return _read_once(path) if path else None


@functools.cache
def _read_once(path: str) -> Configuration:
    return read(Path(path))


def places(configuration: Configuration) -> dict[str, str]:
    """The variables that say where everything is kept which no address of the configuration names by itself."""
    home = {} if configuration.home is None else {HOME_VARIABLE: str(configuration.home)}
    return home | ({LABELS_VARIABLE: configuration.labels} if configuration.labels else {})


def take_up() -> None:
    """Have this process keep everything where the configuration in force says; whatever starts beside the server (a
    worker, a verb) calls it first, or it would look into a folder of its own."""
    if (configuration := current()) is not None:
        os.environ.update(places(configuration))


def read(path: Path) -> Configuration:
    """The file as a Configuration; InputError with all that is wrong, a line each, where anything is.

    Secrets are not looked for: workers and backups have no need of the server's.
    """
    configuration, wrong = checked(path, secrets=False)
    if configuration is None:
        raise InputError("; ".join(wrong))
    return configuration


def checked(path: Path, secrets: bool = True) -> tuple[Configuration | None, list[str]]:
    """The configuration, or None and one line for everything that is wrong: key, what was given, what was expected.

    Parameters
    ----------
    secrets : whether the environment must hold the secrets that the server needs.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None, [f"{path}: there is no such file; see the guide's page on team servers for an example"]
    except (OSError, ValueError, RecursionError) as error:  # numbers of thousands of digits and deep nesting too
        return None, [f"{path}: is no readable TOML: {error}"]
    return _Reader(path.resolve(), document, secrets).result()


class _Reader:
    """Takes the document apart and gathers what is wrong, so that one start says all of it."""

    def __init__(self, path: Path, document: Mapping[str, Any], secrets: bool) -> None:
        self.path, self.secrets = path, secrets
        self.wrong: list[str] = []
        self.document = Section("", document, self.wrong)

    def result(self) -> tuple[Configuration | None, list[str]]:
        given = {
            **self._server(self.document.section("server")),
            **self._roots(self.document.section("roots")),
            **self._limits(self.document.section("limits")),
            **self._grants(self.document.section("roles")),
            **self._access(self.document.section("access")),
            **self._stores(),
        }
        self.document.close()
        configuration = Configuration(self.path, **given)
        self._together(configuration)
        return (None, self.wrong) if self.wrong else (configuration, [])

    def _server(self, server: Section) -> dict[str, Any]:
        given = {
            "address": server.text("address", "127.0.0.1"),
            "port": server.whole("port", 8501, 1, 65535),
            "public_url": server.text("public_url").rstrip("/"),
            "offline": server.flag("offline", True),
            "metrics_address": server.text("metrics_address", "127.0.0.1"),
            "metrics_port": server.whole("metrics_port", 9465, 1, 65535),
            "home": server.folder("home", self.path.parent),
        }
        for key in ("address", "metrics_address"):
            if given[key] not in LOCAL and not _is_address(given[key]):
                server.say(key, given[key], "an address of this machine, for example 127.0.0.1 or 0.0.0.0")
        if given["port"] == given["metrics_port"]:
            server.say("metrics_port", given["port"], "another port than [server] port")
        url = urlsplit(given["public_url"])
        if given["public_url"] and (url.scheme not in ("http", "https") or not url.hostname or url.path or url.query):
            server.say(
                "public_url", given["public_url"], "what people type, without a path: https://unskew.example.org"
            )
        server.close()
        return given

    def _access(self, access: Section) -> dict[str, Any]:
        mode = access.text("mode", needed=f"one of {', '.join(MODES)}")
        if mode and mode not in MODES:
            access.say("mode", mode, f"one of {', '.join(MODES)}")
        everyone = access.texts("everyone", {"kiosk": (GUEST,), "open": ("viewer",)}.get(mode, ()))
        allowed = (GUEST,) if mode == "kiosk" else ROLES
        for role in set(everyone) - set(allowed):
            access.say("everyone", role, f"roles among {', '.join(allowed)}")
        given = {
            "mode": mode,
            "everyone": frozenset(everyone),
            "contact": access.text("contact"),
            "oidc": self._oidc(access.section("oidc"), mode == "oidc"),
            "proxy": self._proxy(access.section("proxy"), mode == "proxy-header"),
            "kiosk": self._kiosk(access.section("kiosk")),
        }
        self._stated = "everyone" in access
        access.close()
        return given

    def _oidc(self, oidc: Section, used: bool) -> dict[str, Any]:
        url = oidc.text("metadata_url", needed="the provider's .../.well-known/openid-configuration" if used else "")
        if url and not _is_safe(url):
            oidc.say("metadata_url", url, "an https:// address (http:// on this machine alone)")
        name = oidc.text("client_id", needed="what the provider calls this server" if used else "")
        given = {
            "metadata_url": url,
            "client_id": name,
            "groups_claim": oidc.text("groups_claim", "groups"),
            "scopes": oidc.texts("scopes", ("openid", "email", "profile")),
        }
        if "openid" not in given["scopes"]:
            oidc.say("scopes", list(given["scopes"]), "a list with 'openid'")
        oidc.close()
        return given

    def _proxy(self, proxy: Section, used: bool) -> dict[str, Any]:
        given = {
            "header": proxy.text("header", "X-Forwarded-Email" if used else ""),
            "groups_header": proxy.text("groups_header"),
            "trusted": proxy.texts("trusted"),
        }
        for key in ("header", "groups_header"):
            if given[key] and not re.fullmatch(HEADER_NAME, str(given[key])):
                proxy.say(key, given[key], "the name of a header: letters, digits and hyphens")
        networks = []
        for network in given["trusted"]:
            try:
                networks.append(ipaddress.ip_network(network))
            except ValueError:
                proxy.say("trusted", network, "addresses or networks of the proxy: 10.0.0.2, 10.0.1.0/24")
        if any(not network.prefixlen for network in networks):
            proxy.say("trusted", list(given["trusted"]), "the proxy's networks, not every address there is")
        if used and not given["trusted"]:
            self.wrong.append("[access.proxy] trusted is missing; expected the addresses from which the proxy connects")
        proxy.close()
        return given

    def _kiosk(self, kiosk: Section) -> dict[str, Any]:
        given = {"galleries": kiosk.texts("galleries", ("default",)), "idle_minutes": kiosk.number("idle_minutes", 3)}
        kiosk.close()
        return given

    def _grants(self, roles: Section) -> dict[str, Any]:
        grants = {}
        for role in roles.table:
            if role not in ROLES:
                self.wrong.append(f"[roles] {role} is no role; expected {', '.join(ROLES)}")
            grants[role] = roles.texts(role)
            for one in grants[role]:
                if not _is_grant(one):
                    roles.say(role, one, "e-mail addresses, '@example.org' (a domain) or 'group:NAME'")
        return {"grants": grants}

    def _roots(self, roots: Section) -> dict[str, Any]:
        given: dict[str, dict[str, Path]] = {}
        models: dict[str, str] = {}
        for kind in KINDS:
            folders = roots.section(kind)
            given[kind] = {}
            for name, value in folders.table.items():
                if kind == "models" and isinstance(value, str) and re.fullmatch(MODEL_NAME, value):
                    models[name] = folders.text(name)
                    continue
                path = folders.folder(name, self.path.parent)
                if not re.fullmatch(ROOT_NAME, name):
                    folders.say("a name", name, "letters, digits, dots, hyphens, underscores")
                elif (ASSETS / kind / name).is_dir():
                    folders.say("a name", name, "another one than what is shipped has")
                elif path is not None and path == Path(path.anchor):
                    folders.say(name, str(path), "a folder of its own, not a whole disk")
                elif path is not None:
                    given[kind][name] = path
        roots.close()
        return {"roots": given, "models": models}

    def _limits(self, limits: Section) -> dict[str, Any]:
        given = {}
        for role, of_role in limits.sections():
            if role not in (GUEST, *ROLES):
                self.wrong.append(f"[limits.{role}] {role} is no role; expected {', '.join((GUEST, *ROLES))}")
            given[role] = Limits(
                of_role.number("upload_mb", None),
                of_role.whole("jobs", None, 0, 10_000),
                of_role.number("disk_gb", None),
            )
            of_role.close()
        return {"limits": given}

    def _stores(self) -> dict[str, Any]:
        labels, jobs, record = (self.document.section(name) for name in ("labels", "jobs", "record"))
        given = {
            "labels": self._address(labels, LABELS_VARIABLE, DATABASES),
            "jobs": self._address(jobs, JOBS_VARIABLE, QUEUES),
            "record": self._address(record, RECORD_VARIABLE, DATABASES),
            "workers": jobs.whole("workers", 1, 0, 256),
            "job_memory_gb": jobs.number("memory_gb", None),
            "job_hours": float(jobs.number("hours", 12.0)),
            "job_keep_days": float(jobs.number("keep_days", 90.0)),
            "job_keep": jobs.whole("keep", 10_000, 0, 10_000_000),
        }
        for section in (labels, jobs, record):
            section.close()
        return given

    def _address(self, section: Section, variable: str, schemes: tuple[str, ...]) -> str:
        """Where a store is: the file's address, else the environment's, which may be the path of a file, else ""."""
        address = section.text("address")
        if address and _password(address):
            self.wrong.append(
                f"[{section.name}] address holds a password; secrets never stand in the file: leave the key out and "
                f"give the whole address as {variable}"
            )
            return ""
        address = address or os.environ.get(variable, "")
        by_path = address and "address" not in section and "://" not in address
        if address and not by_path and not address.startswith(schemes):
            section.say("address", address.partition("://")[0], f"an address that begins {', '.join(schemes)}")
        return address

    def _together(self, given: Configuration) -> None:
        """What is wrong only together with something else."""
        local = given.local
        if given.mode in ("open", "kiosk") and not local and not self._stated:
            self.wrong.append(
                f"[access] mode is {given.mode!r} on {given.public_url or given.address}, which others reach; expected "
                "everyone = [...] beside it, so that it is said what all of them may"
            )
        if given.mode == "open" and not local and "operator" in given.everyone:
            self.wrong.append(
                "[access] everyone holds operator in mode 'open' on an address that others reach; expected other "
                "roles, or a mode in which people sign in"
            )
        if given.mode in ("oidc", "proxy-header") and not given.everyone and not any(given.grants.values()):
            self.wrong.append("[roles] names nobody; expected at least one role with somebody, or nobody may enter")
        if given.mode == "oidc":
            if not given.public_url:
                self.wrong.append("[server] public_url is missing; expected what people type: sign-in comes back to it")
            elif not _is_safe(given.public_url):
                self.wrong.append(
                    f"[server] public_url is {given.public_url!r}; expected https:// with sign-in, as cookies would "
                    "travel in the clear"
                )
        for variable in SECRETS.get(given.mode, ()) if self.secrets else ():
            try:
                given.secret(variable)
            except InputError as error:
                self.wrong.append(str(error))
        for name in given.kiosk["galleries"] if given.mode == "kiosk" else ():
            if name.partition("/")[0] not in given.roots["galleries"] and not (ASSETS / "galleries" / name).is_dir():
                self.wrong.append(
                    f"[access.kiosk] galleries holds {name!r}; expected shipped names or names under [roots.galleries]"
                )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can read what goes to an address."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL))


def _is_grant(text: str) -> bool:
    if text.startswith("group:"):
        return len(text) > len("group:")
    return re.fullmatch(r"[^@\s]*@[^@\s.][^@\s]*", text) is not None


def _password(address: str) -> bool:
    """Whether an address holds a password, before its host or among its options."""
    try:
        parts = urlsplit(address)
        return bool(parts.password) or any("password" in name.lower() for name, _ in parse_qsl(parts.query))
    except ValueError:
        return False

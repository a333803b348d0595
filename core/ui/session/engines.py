"""Which running searches a session may ask: an address out of a visitor's file only on the visitor's own machine.

This server stands where its visitors do not. An address out of a visitor's file could lead it to what only it can
reach, and the name of an environment variable to what only it knows. So files with an address are taken from whoever
sits at the machine itself, while nobody else can come in; on any other server the operator names the engines.
Recorded lists are data, and anybody's.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from core.access import configured
from core.config import InputError
from core.engines import Engine, load_engine
from core.engines.description import engine_of
from core.reading import parse_json

VARIABLE = "UNSKEW_ENGINES"
"""Files (engine.json) that the operator names, separated as in PATH: every visitor may ask these searches."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers by which a proxy tells that somebody else asks."""
WAY_OUT = f"name its engine.json in {VARIABLE}, or give recorded lists"


def listed() -> dict[str, Engine]:
    """The engines of the operator by name; InputError for a file that is none."""
    found: dict[str, Engine] = {}
    for given in os.environ.get(VARIABLE, "").split(os.pathsep):
        if given:
            engine = load_engine(Path(given))
            found[engine.name] = engine
    return found


def why_no_addresses() -> str | None:
    """Why this session may not bring an address of its own, in words; None where it may."""
    return reason(str(st.get_option("server.address") or ""), configured(), st.context.headers, st.context.ip_address)


def reason(bound: str, team: bool, headers: Mapping[str, str], visitor: str | None) -> str | None:
    """The rule behind `why_no_addresses`.

    Parameters
    ----------
    bound : address that the server listens on; empty: all of them.
    team : whether a team server's configuration is in force.
    headers : of the visitor's connection.
    visitor : address of the visitor; None: this machine.
    """
    if team or not local(bound):
        return (
            "this server can be reached by others, so it asks no address out of a visitor's file: "
            f"{WAY_OUT} (on one's own machine: start with --server.address 127.0.0.1)"
        )
    seen = {name.lower(): value for name, value in headers.items()}
    hosts = [f"//{seen['host']}"] if "host" in seen else []
    hosts += [seen["origin"]] if "origin" in seen else []
    away = visitor is not None or any(name in seen for name in FORWARDED)
    if away or not all(local(urlsplit(host).hostname or "") for host in hosts):
        return f"this visit comes through another machine, so no address out of a file is asked: {WAY_OUT}"
    return None


def local(host: str) -> bool:
    """Whether a host's name or address is this machine and no other."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def uploaded(data: bytes, name: str) -> Engine:
    """The engine that a visitor's file describes, read in memory.

    InputError : it is none, it names lists on the server's disk, or this session may bring no address.
    """
    engine = engine_of(parse_json(data, name, "give an engine.json"), Path(name).stem)
    if engine.lists is not None:
        raise InputError(f"{name} names a file of lists on the server's disk; give that file itself (CSV or JSONL)")
    why = why_no_addresses()
    if why is not None:
        raise InputError(why)
    return engine

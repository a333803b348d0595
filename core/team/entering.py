"""Who comes in, and as what: from a provider's claims or a proxy's headers to a person. Whoever is not named is nobody.

Everything here is pure: no request, no clock and no environment but what is handed in.
"""

import hmac
import ipaddress
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from core.access import NOBODY, Person
from core.team.settings import PROXY_SECRET, Configuration

Why = Literal["", "sign-in", "expired", "no-role", "not-the-proxy", "not-set-up"]
SECRET_HEADER = "X-Unskew-Proxy"
"""Header in which the proxy says UNSKEW_PROXY_SECRET with every request."""


@dataclass(frozen=True)
class Visit:
    """Who stands in the door, and why somebody does not come in ("": comes in)."""

    person: Person
    why: Why = ""
    title: str = ""
    """What the visitor is called even without a role, so that the page can say which account has none."""


def address_of(text: Any) -> str | None:
    """An e-mail address as it is compared: NFC, lower case; None where it is none, or only looks like another one.

    A character that becomes ASCII only by evening it (the Kelvin sign is a K) is refused: the address of somebody else
    must not be spelt with it.
    """
    if not isinstance(text, str):
        return None
    text = text.strip()
    if any(not c.isascii() and unicodedata.normalize("NFC", c).lower().isascii() for c in text):
        return None
    even = unicodedata.normalize("NFC", text).lower()
    local, _, domain = even.partition("@")
    plain = all(c.isprintable() and not c.isspace() for c in even)
    return even if plain and local and domain and "@" not in domain else None


def roles_of(configuration: Configuration, address: str | None, groups: Iterable[str] = ()) -> frozenset[str]:
    """Roles of somebody who has signed in: everyone's, and those granted to the address, its domain or a group.

    Addresses and domains are compared as `address_of` evens them; a domain does not stand for those below it. Names of
    groups are compared letter by letter (NFC).
    """
    known = {f"group:{unicodedata.normalize('NFC', group)}" for group in groups}
    if address is not None:
        known.add(f"@{address.partition('@')[2]}")
        if not address.startswith("group:"):  # an address that is spelt like the grant of a group is not the group
            known.add(address)
    granted = {role for role, who in configuration.grants.items() if known & {_even(one) for one in who}}
    return configuration.everyone | granted


def still_granted(configuration: Configuration, person: Person) -> Person:
    """Somebody who signed in a while ago, with those roles alone that the configuration grants now as well.

    Who is in a group is known at the sign-in alone; what a group may do is asked again.
    """
    granted = roles_of(configuration, address_of(person.name), person.groups)
    return replace(person, roles=person.roles & granted)


def _even(grant: str) -> str:
    even = unicodedata.normalize("NFC", grant)
    return even if even.startswith("group:") else even.lower()


def by_claims(configuration: Configuration, claims: Mapping[str, Any], now: float) -> Visit:
    """A visit by what an OpenID provider said when the person signed in.

    Parameters
    ----------
    claims : of the identity token, with `is_logged_in`, as Streamlit keeps them; empty: nobody has signed in.
    now : seconds since 1970; from the claim `exp` on, or without one, the sign-in is over.

    An address counts only where the provider says that it is verified. Otherwise the provider's own number for the
    person (`sub`) is the name, and groups alone give roles; a number that is spelt like an address is called "sub:"
    and that, so that nobody has the name of whoever the address belongs to.
    """
    if claims.get("is_logged_in") is not True:
        return Visit(NOBODY, "sign-in")
    ends = claims.get("exp")
    if isinstance(ends, bool) or not isinstance(ends, int | float) or not ends > now:
        return Visit(NOBODY, "expired")
    verified = claims.get("email_verified") in (True, "true")
    address = address_of(claims.get("email")) if verified else None
    groups = claims.get(configuration.oidc["groups_claim"]) or ()
    groups = [groups] if isinstance(groups, str) else groups
    named = [one for one in groups if isinstance(one, str)] if isinstance(groups, Sequence) else []
    name = address or _number_of(claims.get("sub"))
    title = claims.get("name") if isinstance(claims.get("name"), str) else ""
    return _visit(configuration, name, title or name, roles_of(configuration, address, named), named)


def _number_of(sub: Any) -> str:
    """A provider's own number for a person as a name; "" for one that cannot stand on a line."""
    number = f"{sub or ''}"
    if not number.isprintable():
        return ""
    return f"sub:{number}" if "@" in number else number


def by_headers(configuration: Configuration, headers: Mapping[str, Sequence[str]], peer: str | None) -> Visit:
    """A visit by what a trusted proxy wrote into the request.

    Parameters
    ----------
    headers : every value of every header of the request, names in any case.
    peer : address from which the connection came; None where nobody can tell, which is not trusted.

    What makes the proxy the proxy: the connection comes from one of its addresses, and the request holds its secret. A
    header that is there twice counts for nothing: one of them came from outside.
    InputError where the server has no such secret.
    """
    given: dict[str, list[str]] = {}
    for name, values in headers.items():
        given.setdefault(name.lower(), []).extend(values)

    def one(name: str) -> str:
        values = given.get(name.lower(), [])
        return _as_sent(values[0]) if len(values) == 1 else ""

    secret = configuration.secret(PROXY_SECRET)
    told = hmac.compare_digest(one(SECRET_HEADER).encode(), secret.encode())
    if not (_from(peer, configuration.proxy["trusted"]) and told):
        return Visit(NOBODY, "not-the-proxy")
    said = one(configuration.proxy["header"]).strip()
    if not said:
        return Visit(NOBODY, "sign-in")
    address = address_of(said)
    name = address or ("" if "@" in said or not said.isprintable() else unicodedata.normalize("NFC", said))
    groups_header = configuration.proxy["groups_header"]
    parts = one(groups_header).split(",") if groups_header else []
    groups = [group for part in parts if (group := part.strip())]
    return _visit(configuration, name, name, roles_of(configuration, address, groups), groups)


def by_nobody(configuration: Configuration) -> Visit:
    """A visit where nobody signs in: an open server's or a kiosk's."""
    roles = configuration.everyone
    return Visit(Person("", "", roles)) if roles else Visit(NOBODY, "no-role")


def _visit(configuration: Configuration, name: str, title: str, roles: frozenset[str], groups: Iterable[str]) -> Visit:
    """Somebody without a role or a name is nobody."""
    if not roles or not name:
        return Visit(NOBODY, "no-role", title)
    return Visit(Person(name, title, roles, frozenset(groups)), "", title)


def _as_sent(value: str) -> str:
    """A header's value as the proxy wrote it: web servers read the bytes of UTF-8 as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _from(peer: str | None, networks: Iterable[str]) -> bool:
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(network) for network in networks)

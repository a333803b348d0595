"""Who comes in and as what: default deny, verified addresses, groups, the proxy that is the proxy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.access import NOBODY, Person
from core.team.entering import SECRET_HEADER, address_of, by_claims, by_headers, by_nobody, roles_of, still_granted
from core.team.settings import PROXY_SECRET, Configuration

NOW = 1_800_000_000.0
SECRET = "s" * 40


def configuration(**changed: Any) -> Configuration:
    given: dict[str, Any] = {
        "mode": "oidc",
        "grants": {
            "operator": ("Ada@Example.org",),
            "rater": ("@example.org", "group:raters"),
            "auditor": ("group:Prüfer", "straße@example.net"),
        },
        "oidc": {"groups_claim": "groups"},
        "proxy": {"header": "X-User", "groups_header": "X-Groups", "trusted": ("10.0.0.2", "fd00::/8")},
    }
    return Configuration(Path("unskew.toml"), **(given | changed))


def claims(**changed: Any) -> dict[str, Any]:
    plain = {"is_logged_in": True, "exp": NOW + 60, "sub": "17", "email": "ada@example.org", "email_verified": True}
    return {name: value for name, value in (plain | changed).items() if value is not None}


ROLES = {
    "the address, another spelling": (claims(email="ADA@EXAMPLE.ORG"), {"operator", "rater"}),
    "the domain": (claims(email="bob@example.org"), {"rater"}),
    "a domain below": (claims(email="bob@x.example.org"), set()),
    "a longer domain": (claims(email="bob@notexample.org"), set()),
    "two signs": (claims(email="ada@evil.org@example.org"), set()),
    "a quoted sign": (claims(email='"x@evil.org"@example.org'), set()),
    "no local part": (claims(email="@example.org"), set()),
    "an unverified address": (claims(email_verified=False), set()),
    "nobody says whether": (claims(email_verified=None), set()),
    "verified by a text": (claims(email_verified="true"), {"operator", "rater"}),
    "verified by something else": (claims(email_verified="no"), set()),
    "a group": (claims(email="c@else.org", groups=["raters"]), {"rater"}),
    "a group as a text": (claims(email="c@else.org", groups="raters"), {"rater"}),
    "a group of an unverified address": (claims(email_verified=False, groups=["raters"]), {"rater"}),
    "a group in other letters": (claims(email="c@else.org", groups=["Raters"]), set()),
    "a group, decomposed": (claims(email="c@else.org", groups=["Pru\u0308fer"]), {"auditor"}),
    "groups that are no texts": (claims(email="c@else.org", groups=[{"raters": 1}, 3, None]), set()),
    "groups that are no list": (claims(email="c@else.org", groups={"raters": True}), set()),
    "a group named like an address": (claims(email="c@else.org", groups=["ada@example.org"]), set()),
    "an address named like a group": (claims(email="group:raters"), set()),
    "ss is not sharp s": (claims(email="strasse@example.net"), set()),
    "sharp s": (claims(email="stra\u00dfe@example.net"), {"auditor"}),
    "a Kelvin sign": (claims(email="ada@e\u212aample.org".replace("\u212a", "x")), {"operator", "rater"}),
    "a long s": (claims(email="\u017fada@example.org"), {"rater"}),
    "nobody's sign-in": ({}, None),
    "not signed in": (claims(is_logged_in=False), None),
    "signed in by a text": (claims(is_logged_in="true"), None),
}


@pytest.mark.parametrize("case", ROLES)
def test_roles_by_claims(case: str) -> None:
    given, expected = ROLES[case]
    visit = by_claims(configuration(), given, NOW)
    assert visit.person.roles == (expected or set())
    assert visit.why == ("sign-in" if expected is None else "" if expected else "no-role")
    assert (visit.person == NOBODY) == (not expected)


@pytest.mark.parametrize("exp", [NOW - 1, NOW, None, "soon", True, float("nan")])
def test_a_sign_in_ends(exp: Any) -> None:
    visit = by_claims(configuration(), claims(exp=exp), NOW)
    assert visit.person == NOBODY and visit.why == "expired"
    assert by_claims(configuration(), claims(exp=NOW + 1), NOW).person.roles


def test_a_name_is_an_address_that_is_verified() -> None:
    person = by_claims(configuration(), claims(email="Ada@example.ORG", name="Ada L."), NOW).person
    assert person == Person("ada@example.org", "Ada L.", frozenset({"operator", "rater"}))
    unverified = by_claims(configuration(), claims(email_verified=False, groups=["raters"]), NOW).person
    assert unverified.name == "17" and "ada" not in unverified.title
    assert by_claims(configuration(), claims(email_verified=False, sub=None, groups=["raters"]), NOW).person == NOBODY


def test_an_address_that_is_spelt_like_a_group_is_not_the_group() -> None:
    given = configuration(grants={"operator": ("group:admins@example.org",), "rater": ("@example.org",)})
    assert by_claims(given, claims(email="group:admins@example.org"), NOW).person.roles == {"rater"}
    assert by_claims(given, claims(email="x@y.org", groups=["admins@example.org"]), NOW).person.roles == {"operator"}


@pytest.mark.parametrize("sub", ["ada@example.org", "ADA@example.org", "x\ny"])
def test_no_number_of_a_provider_is_the_name_of_somebody_else(sub: str) -> None:
    given = claims(email_verified=False, sub=sub, groups=["raters"])
    person = by_claims(configuration(), given, NOW).person
    assert person.name.isprintable() and address_of(person.name) != "ada@example.org"


def test_roles_that_were_taken_away_are_gone_and_none_is_added() -> None:
    now = configuration(everyone=frozenset({"viewer"}), grants={"rater": ("ada@example.org",), "auditor": ("group:x",)})
    before = Person("ada@example.org", "Ada", frozenset({"operator", "rater", "auditor"}))
    assert still_granted(now, before).roles == {"rater"}, "of no group"
    grouped = replace(before, groups=frozenset({"x"}))
    assert still_granted(now, grouped) == replace(grouped, roles=frozenset({"rater", "auditor"}))
    moved = replace(now, grants={**now.grants, "auditor": ("group:y",)})
    assert still_granted(moved, grouped).roles == {"rater"}, "another group has the role now"
    assert still_granted(now, Person("eve@example.org", "", frozenset({"operator", "rater"}))).roles == frozenset()
    alone = Person("", "", frozenset({"viewer", "operator"}))
    assert still_granted(now, alone).roles == {"viewer"}, "a job of before the server was configured"


def test_everyone_who_enters_has_everyones_roles_and_nobody_else() -> None:
    given = configuration(everyone=frozenset({"viewer"}))
    assert by_claims(given, claims(email="x@y.org"), NOW).person.roles == {"viewer"}
    assert by_claims(given, {}, NOW).person == NOBODY
    assert by_claims(given, claims(exp=NOW - 1), NOW).person == NOBODY
    assert by_nobody(configuration(mode="open", everyone=frozenset({"viewer"}))).person == Person(
        "", "", frozenset({"viewer"})
    )
    assert by_nobody(configuration(mode="open")).person == NOBODY


def test_addresses_are_evened_without_becoming_somebody_elses() -> None:
    assert address_of("Jose\u0301@Example.org") == address_of("jos\u00e9@example.ORG") == "jos\u00e9@example.org"
    for wrong in ("ada@e\u212aample.org", "\u212aate@example.org", "a b@c.d", "a@b\n.c", "a@", "a", "", None, 3):
        assert address_of(wrong) is None
    assert roles_of(configuration(), None, ["ada@example.org", "@example.org"]) == frozenset()


def headers(**more: list[str]) -> dict[str, list[str]]:
    return {"x-user": ["ada@example.org"], SECRET_HEADER: [SECRET]} | {k.replace("_", "-"): v for k, v in more.items()}


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROXY_SECRET, SECRET)


@pytest.mark.usefixtures("secret")
def test_a_proxy_is_believed() -> None:
    assert by_headers(configuration(), headers(), "10.0.0.2").person.roles == {"operator", "rater"}
    assert by_headers(configuration(), headers(), "::ffff:10.0.0.2").person.name == "ada@example.org"
    assert by_headers(configuration(), headers(), "fd00::1").person.roles
    grouped = headers(x_user=["c"], X_Groups=["others, raters"])
    assert by_headers(configuration(), grouped, "10.0.0.2").person == Person(
        "c", "c", frozenset({"rater"}), frozenset({"others", "raters"})
    )
    sent = "stra\u00dfe@example.net".encode().decode("latin-1")
    assert by_headers(configuration(), headers(x_user=[sent]), "10.0.0.2").person.roles == {"auditor"}


FORGED = {
    "from elsewhere": (headers(), "10.0.0.3", "not-the-proxy"),
    "from nowhere": (headers(), None, "not-the-proxy"),
    "from no address": (headers(), "10.0.0.2, 8.8.8.8", "not-the-proxy"),
    "without the secret": ({"X-User": ["ada@example.org"]}, "10.0.0.2", "not-the-proxy"),
    "with an empty secret": (headers() | {SECRET_HEADER: [""]}, "10.0.0.2", "not-the-proxy"),
    "with another secret": (headers() | {SECRET_HEADER: ["s" * 39 + "t"]}, "10.0.0.2", "not-the-proxy"),
    "with the secret twice": (headers() | {SECRET_HEADER: [SECRET, SECRET]}, "10.0.0.2", "not-the-proxy"),
    "with the secret in two spellings": (headers(x_unskew_proxy=["guess"]), "10.0.0.2", "not-the-proxy"),
    "two names": (headers(x_user=["eve@evil.org", "ada@example.org"]), "10.0.0.2", "sign-in"),
    "two names in two spellings": (headers() | {"X-USER": ["ada@example.org"]}, "10.0.0.2", "sign-in"),
    "no name": (headers(x_user=[" "]), "10.0.0.2", "sign-in"),
    "an address that is none": (headers(x_user=["ada@evil.org@example.org"]), "10.0.0.2", "no-role"),
    "somebody unknown": (headers(x_user=["eve@evil.org"]), "10.0.0.2", "no-role"),
    "groups twice": (headers(x_user=["c"], x_groups=["raters", "raters"]), "10.0.0.2", "no-role"),
}


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("case", FORGED)
def test_a_forged_header_is_nobody(case: str) -> None:
    given, peer, why = FORGED[case]
    visit = by_headers(configuration(), given, peer)
    assert visit.person == NOBODY and visit.why == why

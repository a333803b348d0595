"""What Streamlit's sign-in is told is what its own reader reads back."""

import tomllib
from pathlib import Path

import pytest

from core.config import InputError
from core.team.secrets_file import secrets_text
from core.team.settings import COOKIE_SECRET, OIDC_SECRET, Configuration

AWKWARD = 'a"b\\c\n\u007f' + "é" * 30


def test_the_section_reads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OIDC_SECRET, AWKWARD)
    monkeypatch.setenv(COOKIE_SECRET, "c" * 32)
    oidc = {"metadata_url": "https://id/x", "client_id": "un'skew", "scopes": ("openid", "email")}
    given = Configuration(Path("x"), "oidc", public_url="https://unskew.example.org", oidc=oidc)
    assert tomllib.loads(secrets_text(given)) == {
        "auth": {
            "redirect_uri": "https://unskew.example.org/oauth2callback",
            "cookie_secret": "c" * 32,
            "client_id": "un'skew",
            "client_secret": AWKWARD,
            "server_metadata_url": "https://id/x",
            "client_kwargs": {"scope": "openid email"},
        }
    }
    monkeypatch.delenv(COOKIE_SECRET)
    with pytest.raises(InputError, match="UNSKEW_COOKIE_SECRET holds 0 characters"):
        secrets_text(given)


def test_other_modes_have_no_secrets_file() -> None:
    assert secrets_text(Configuration(Path("x"), "open")) == ""

"""An address out of a visitor's file is asked only where the visitor is alone with the machine."""

import json
import tomllib
from pathlib import Path

import pytest

from core.config import ROOT, InputError
from core.ui.session import engines

HERE = {"Host": "localhost:8501", "Origin": "http://localhost:8501"}
ENGINE = {"name": "inside", "address": "http://127.0.0.1:9/s", "body": {"text": "{query}", "size": "{k}"}, "ids": "ids"}


def test_the_app_listens_on_its_own_machine_unless_somebody_says_otherwise() -> None:
    own = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["server"]["address"]
    assert engines.local(own) and engines.reason(own, False, HERE, None) is None


@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1"])
def test_one_person_at_the_machine_may(bound: str) -> None:
    for headers in (HERE, {}, {"host": "[::1]:8501", "origin": "http://[::1]:8501"}):
        assert engines.reason(bound, False, headers, None) is None


@pytest.mark.parametrize(
    ("bound", "team", "headers", "visitor"),
    [
        ("", False, HERE, None),  # every interface
        ("0.0.0.0", False, HERE, None),
        ("192.168.1.4", False, HERE, None),
        ("127.0.0.1.example", False, HERE, None),
        ("127.0.0.1", True, HERE, None),  # a team server behind its proxy
        ("127.0.0.1", False, HERE, "10.0.0.7"),
        ("127.0.0.1", False, {**HERE, "X-Forwarded-For": "10.0.0.7"}, None),
        ("127.0.0.1", False, {**HERE, "Forwarded": "for=10.0.0.7"}, None),
        ("127.0.0.1", False, {**HERE, "Origin": "https://unskew.example.org"}, None),  # a proxy that tells nothing
        ("127.0.0.1", False, {**HERE, "Host": "unskew.example.org"}, None),
        ("127.0.0.1", False, {**HERE, "Origin": "null"}, None),
    ],
)
def test_everybody_else_is_told_the_way_out(bound: str, team: bool, headers: dict, visitor: str | None) -> None:
    said = engines.reason(bound, team, headers, visitor)
    assert said is not None and engines.VARIABLE in said and "recorded lists" in said


def test_an_uploaded_engine_is_refused_on_a_shared_server(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.dumps(ENGINE).encode()
    monkeypatch.setattr(engines, "why_no_addresses", lambda: "this server can be reached by others")
    with pytest.raises(InputError, match="can be reached by others"):
        engines.uploaded(data, "engine.json")
    monkeypatch.setattr(engines, "why_no_addresses", lambda: None)
    assert engines.uploaded(data, "engine.json").name == "inside"


def test_a_file_never_names_another_file_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "why_no_addresses", lambda: None)
    with pytest.raises(InputError, match="on the server's disk"):
        engines.uploaded(json.dumps({"lists": "/etc/passwd"}).encode(), "engine.json")
    for wrong in (
        b"[]",
        b"{}",
        b"no JSON",
        b'{"address": 5}',
        b'{"address": "http://h:x/{query}"}',
        b'{"address": "http://["}',
    ):
        with pytest.raises(InputError):
            engines.uploaded(wrong, "engine.json")


def test_the_operator_names_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines.listed() == {}
    (tmp_path / "one.json").write_text(json.dumps(ENGINE))
    monkeypatch.setenv(engines.VARIABLE, str(tmp_path / "one.json"))
    assert list(engines.listed()) == ["inside"]
    monkeypatch.setenv(engines.VARIABLE, str(tmp_path / "none.json"))
    with pytest.raises(InputError, match=r"none\.json"):
        engines.listed()

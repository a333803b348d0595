"""Who acts on the command line of a team server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import access
from core.access import ALONE, ROLES, acting
from core.cli import main
from core.cli.app import at_the_shell
from core.team.entering import address_of


@pytest.fixture(autouse=True)
def asked() -> Iterator[None]:
    before = access._asked[:]
    yield
    access._asked[:] = before


def test_a_shell_is_an_operators_and_nobodys_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(access.CONFIG_VARIABLE, raising=False)
    assert main(["--help"]) == 0 and acting() == ALONE and at_the_shell() is None
    (tmp_path / "unskew.toml").write_text('[access]\nmode = "open"\n')
    monkeypatch.setenv(access.CONFIG_VARIABLE, str(tmp_path / "unskew.toml"))
    person = acting()
    assert person.roles == frozenset(ROLES) and person.name and address_of(person.name) is None

"""Finished audits are kept, listed, opened and forgotten; what cannot be opened says why."""

from pathlib import Path

import pytest

from core.config import InputError
from core.report import FILES, kept


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(kept.KEPT_VARIABLE, str(tmp_path / "audits"))
    return tmp_path / "audits"


def files(audited: Path) -> dict[str, bytes]:
    return {name: (audited / "report" / name).read_bytes() for name in (*FILES, "manifest.json")}


def test_what_is_kept_is_the_same_when_it_is_opened(audited: Path, shelf: Path) -> None:
    assert kept.kept() == []
    name = kept.keep(files(audited))
    assert kept.keep(files(audited)) == name and len(list(shelf.iterdir())) == 1
    (one,) = kept.kept()
    assert (one.name, one.title, one.auditor, one.findings) == (name, "A test", "a tester", 20)
    assert kept.open_kept(name) == files(audited)
    kept.forget(name)
    assert kept.kept() == []


def test_what_cannot_be_opened_is_listed_with_its_reason(audited: Path, shelf: Path) -> None:
    name = kept.keep(files(audited))
    (shelf / name / "report" / "card.md").unlink()
    with pytest.raises(InputError, match=r"card.md is missing"):
        kept.open_kept(name)
    (shelf / name / "about.json").write_text("{")
    assert kept.kept()[0].reason


@pytest.mark.parametrize("name", ["../report", "/etc", "", "nothing"])
def test_only_what_is_listed_is_opened_or_removed(audited: Path, shelf: Path, name: str) -> None:
    kept.keep(files(audited))
    with pytest.raises(InputError, match="no audit is kept"):
        kept.open_kept(name)
    kept.forget(name)
    assert len(list(shelf.iterdir())) == 1

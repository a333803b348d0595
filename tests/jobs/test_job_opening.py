"""Where the job store is, and what it says when it does not answer."""

from pathlib import Path

import pytest

from core.databases import DatabaseDown
from core.jobs import opening
from core.jobs.store import JobStore
from core.team.configuration import Configuration


def test_where_jobs_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opening.default_address() == str(home / "jobs.sqlite")
    monkeypatch.setenv(opening.JOBS_VARIABLE, "elsewhere.sqlite")
    assert opening.default_address() == "elsewhere.sqlite"
    stated = Configuration(Path("x"), "open", jobs="sqlite:///stated.sqlite")
    monkeypatch.setattr(opening, "current", lambda: stated)
    assert opening.default_address() == "sqlite:///stated.sqlite"


def test_a_store_that_does_not_answer_says_so_without_its_password(home: Path) -> None:
    with pytest.raises(DatabaseDown, match=r"the job store postgresql://127\.0\.0\.1:1/jobs cannot be used") as caught:
        JobStore("postgresql://ada:geheim@127.0.0.1:1/jobs")
    assert "geheim" not in str(caught.value)

"""`jobs`: what an operator sees and does in a terminal of the server."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.access import CONFIG_VARIABLE, Person
from core.cli import main
from core.config import HOME_VARIABLE
from core.jobs.opening import JOBS_VARIABLE
from core.jobs.rows import Hold
from core.jobs.store import JobStore

ADA = Person("ada@example.org", "Ada", frozenset({"operator"}))


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A job of a team server that waits."""
    stated = tmp_path / "unskew.toml"
    stated.write_text('[access]\nmode = "open"\neveryone = ["operator"]\n')
    monkeypatch.setenv(CONFIG_VARIABLE, str(stated))
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(JOBS_VARIABLE, raising=False)
    np.save(tmp_path / "x.npy", np.eye(20, 4, dtype=np.float32) + 1)
    (tmp_path / "table.csv").write_text("id,gender\n" + "\n".join(f"{i},{'ab'[i % 2]}" for i in range(20)))
    order = {"source": str(tmp_path / "x.npy"), "table": str(tmp_path / "table.csv"), "model_name": "m"}
    store = JobStore()
    made = store.submit("gallery-import", order | {"out": str(tmp_path / "made")}, ADA)
    store.close()
    return made


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["jobs", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_jobs_are_listed_shown_and_cancelled(job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(said(capsys, "list", "--json"))
    assert listed["counts"]["waiting"] == 1 and [one["id"] for one in listed["jobs"]] == [job]
    assert "parameters" not in listed["jobs"][0] and str(tmp_path) not in json.dumps(listed)
    assert "Import a gallery: made (ada@example.org)" in said(capsys, "list", "--state", "waiting")
    assert said(capsys, "list", "--state", "done").splitlines() == [
        "1 waiting, 0 running, 0 done, 0 failed, 0 cancelled"
    ]
    assert said(capsys, "list", "--owner", "nobody").count("\n") == 1
    assert "cancelled" in said(capsys, "cancel", job[:8])
    shown = json.loads(said(capsys, "show", job[:8], "--json"))
    assert shown["job"]["state"] == "cancelled" and shown["log"][-1]["line"] == "cancelled by the command line"
    assert "cancelled by the command line" in said(capsys, "show", job)


def test_a_running_job_is_asked_to_end(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = JobStore()
    taken = store.claim("1-1")
    assert taken is not None
    store.progress(Hold(job, 1), 3, 20, "embeddings")
    assert "running, 3 of 20 Import a gallery: made" in said(capsys, "list")
    assert "(being cancelled)" in said(capsys, "cancel", job)
    assert store.asked_to_end(Hold(job, 1)) == "cancel"
    store.close()


def test_what_is_wrong_is_one_line(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["show", "nonsense"], ["cancel", "zzzzzz"], ["list", "--state", "lost"]):
        line = said(capsys, *arguments, code=2)
        assert line.count("\n") == 1 and "Traceback" not in line


def test_a_worker_in_the_terminal_does_what_waits(job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "work", "--until-empty")
    assert (tmp_path / "made" / "manifest.json").is_file()
    assert "1 done" in said(capsys, "list")


def test_a_terminal_looks_where_the_server_keeps_its_jobs(
    job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file says where the own folder is; a verb that looked into the one of whoever types it would see nothing."""
    stated = tmp_path / "elsewhere.toml"
    stated.write_text('[server]\nhome = "home"\n[access]\nmode = "open"\n')
    monkeypatch.setenv(CONFIG_VARIABLE, str(stated))
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "of-whoever-types"))
    assert "1 waiting" in said(capsys, "list")

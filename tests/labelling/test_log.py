"""The log keeps every event once, in order per rater, whoever writes beside it and whenever a writer is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.config import HOME_VARIABLE, InputError
from core.labelling import LabelLog, LabelSet, default_url
from core.labelling.log import LOG_VARIABLE
from tests.labelling.label_helpers import SAE, label

ROOT = Path(__file__).resolve().parents[2]
SERVER_VARIABLE = "UNSKEW_TEST_DATABASE"
"""URL of an empty PostgreSQL database for these tests."""


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "labels.sqlite")
    url = os.environ.get(SERVER_VARIABLE)
    if not url:
        pytest.skip(f"no database server: set {SERVER_VARIABLE} to the URL of an empty PostgreSQL database")
    from core.labelling.log import TABLES

    TABLES.drop_all(LabelLog(url)._engine)
    return url


def writer(where: str, rater: str, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.labelling.label_helpers", where, rater, str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_an_event_comes_back_as_it_was_and_only_once(where: str) -> None:
    log = LabelLog(where)
    first = label(3, attribute="gender", text="  beards  and  jaws ", confidence=0.75, confound=True)
    assert log.add(first) and not log.add(first)
    second = label(4, "ben", type="artefact", attribute="watermark")
    assert log.extend([first, second]) == 1
    assert LabelLog(where).events() == [first, second]
    assert log.events(rater="ben") == [second]
    assert log.events(sae="c" * 64) == []
    assert [entry for _, entry in log.numbered(after=log.numbered()[0][0])] == [second]


def test_writers_side_by_side_lose_nothing_and_keep_their_order(where: str) -> None:
    writers = {f"rater {i}": writer(where, f"rater {i}", 1.0) for i in range(4)}
    told = {rater: process.communicate(timeout=120)[0].split() for rater, process in writers.items()}
    assert all(process.returncode == 0 for process in writers.values())
    assert all(told.values())
    log = LabelLog(where)
    assert len(log.events()) == sum(map(len, told.values()))
    for rater, ids in told.items():
        own = log.events(rater=rater)
        assert [entry.id for entry in own] == ids
        assert [entry.neuron for entry in own] == list(range(len(ids)))


def test_a_killed_writer_loses_nothing_that_it_told(where: str) -> None:
    process = writer(where, "ann", 60)
    told = [process.stdout.readline().strip() for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.communicate(timeout=60)[0].split()
    kept = [entry.id for entry in LabelLog(where).events()]
    assert kept[: len(told)] == told
    assert len(kept) <= len(told) + 1, "at most the one that was on disk and not yet told"
    assert len(set(kept)) == len(kept)
    assert LabelLog(where).add(label(99)), "the next writer is not held up"


def test_nothing_in_the_room_can_change_an_event() -> None:
    text = (ROOT / "core/labelling/log.py").read_text()
    assert ".update()" not in text and ".delete()" not in text and "UPDATE" not in text and "DELETE" not in text


def test_sets_have_versions_and_are_found_by_hash(where: str) -> None:
    log = LabelLog(where)
    first = log.save_set(LabelSet("gender, agreed by 3", SAE, (17, 3), "rule"))
    again = log.save_set(LabelSet("gender, agreed by 3", SAE, (3, 17), "rule"))
    second = log.save_set(LabelSet("gender, agreed by 3", SAE, (3,), "rule"))
    assert again == first and first.version == 1 and second.version == 2
    assert first.neurons == (3, 17) and first.digest != second.digest
    assert log.label_set(first.digest) == first and log.label_set(second.digest[:12]) == second
    for unknown in ("0" * 64, first.digest[:4], ""):
        with pytest.raises(InputError, match="hash"):
            log.label_set(unknown)


def test_a_set_that_was_tampered_with_is_refused() -> None:
    said = LabelSet("gender", SAE, (3, 17), "rule").to_json()
    with pytest.raises(InputError, match="hash"):
        LabelSet.from_json(said | {"neurons": [3, 18]})


def test_where_the_log_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    assert default_url() == str(tmp_path / "home" / "labels.sqlite")
    LabelLog().add(label(1))
    assert (tmp_path / "home" / "labels.sqlite").is_file()
    monkeypatch.setenv(LOG_VARIABLE, "sqlite:///elsewhere.db")
    assert default_url() == "sqlite:///elsewhere.db"


def test_a_log_that_cannot_be_used_is_one_line_without_the_password(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database")
    for wrong in (str(tmp_path / "text"), "nothing://x", "postgresql://me:secret@127.0.0.1:1/labels", "://"):
        with pytest.raises(InputError) as caught:
            LabelLog(wrong)
        assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


SECRETS = ("hunter2-secret", "rater-secret", "option-secret")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://rater-secret:hunter2-secret@127.0.0.1:1/labels",
        "postgresql+psycopg://rater-secret:hunter2-secret@127.0.0.1:1/labels?password=option-secret",
        "postgresql+psycopg://rater-secret:hunter2-secret@127.0.0.1:not-a-port/labels",
        "postgresql+nothing://rater-secret:hunter2-secret@127.0.0.1/labels",
        "nothing-known://rater-secret:hunter2-secret@127.0.0.1/labels?sslpassword=option-secret",
        "mysql://rater-secret:hunter2-secret@127.0.0.1/labels",
        "sqlite://rater-secret:hunter2-secret@127.0.0.1/labels?mode=option-secret",
        "://rater-secret:hunter2-secret@127.0.0.1/labels",
    ],
)
def test_no_message_and_no_name_of_a_log_holds_a_secret(address: str) -> None:
    """Whatever is wrong with an address, what people and logs get to see is its host and database at most."""
    with pytest.raises(InputError) as refused:
        LabelLog(address)
    said = str(refused.value)
    assert not any(secret in said for secret in SECRETS) and "\n" not in said


def test_a_set_that_is_not_there_does_not_tell_the_address(tmp_path: Path) -> None:
    log = LabelLog(tmp_path / "labels.sqlite")
    log.where = "postgresql+psycopg://rater-secret:hunter2-secret@db.example/labels?password=option-secret"
    with pytest.raises(InputError) as refused:
        log.label_set("0" * 12)
    said = f"{refused.value} {log.public}"
    assert "db.example/labels" in said and not any(secret in said for secret in SECRETS)

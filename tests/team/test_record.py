"""The record of what was done: in order, whole, and a line that is removed or changed is found."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core import access
from core.access import CONFIG_VARIABLE, Person, Refused, acting_as, require
from core.config import ROOT, InputError
from core.team import configuration, record
from core.team.record import Record, as_csv, as_json_lines, damages

OPERATOR = Person("ada@example.org", "Ada", frozenset({"operator"}))
VIEWER = Person("ben@example.org", "Ben", frozenset({"viewer"}))


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "record.sqlite") if request.param == "sqlite" else request.getfixturevalue("own_database")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Record]:
    """The record of a configured server in this process."""
    where = tmp_path / "record.sqlite"
    (tmp_path / "team.toml").write_text("[access]\nmode = 'open'\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "team.toml"))
    monkeypatch.setattr(record, "default_address", lambda: str(where))
    monkeypatch.setattr(access, "_told", [])
    configuration._read_once.cache_clear()
    record._last.clear()
    record.keep()
    yield Record(where)
    configuration._read_once.cache_clear()


def test_lines_come_back_in_order_and_each_is_tied_to_the_one_before(where: str) -> None:
    kept = Record(where)
    assert kept.lines() == [] and kept.damages() == []
    written = [kept.add("ada", "train", f"sae-{i}") for i in range(5)]
    assert Record(where).lines() == written
    assert [line.seq for line in written] == [1, 2, 3, 4, 5]
    assert [line.before for line in written[1:]] == [line.digest for line in written[:-1]]
    assert kept.damages() == []


def test_what_is_asked_for_is_found(where: str) -> None:
    kept = Record(where)
    kept.add("ada", "train", "faces_100%")
    kept.add("ben", "audit", "faces", "refused")
    kept.add("ada", "delete", "old")
    assert [line.action for line in kept.lines(who="ada")] == ["train", "delete"]
    assert [line.who for line in kept.lines(action="audit")] == ["ben"]
    assert [line.seq for line in kept.lines(words="FACES ben")] == [2]
    assert [line.seq for line in kept.lines(words="s_100%")] == [1]
    assert [line.seq for line in kept.lines(newest=2)] == [2, 3]


def test_a_line_that_was_changed_or_removed_is_found(tmp_path: Path) -> None:
    where = tmp_path / "record.sqlite"
    kept = Record(where)
    for i in range(6):
        kept.add("ada", "train", f"sae-{i}")
    for spoiled, expected in (
        ("UPDATE record_lines SET who = 'ben' WHERE seq = 3", ["line 3 of the record was changed"]),
        ("DELETE FROM record_lines WHERE seq = 4", ["line 4 is missing"]),
        ("DELETE FROM record_lines WHERE seq IN (2, 3)", ["lines 2 to 3 are missing"]),
        ("DELETE FROM record_lines WHERE seq = 1", ["line 1 is missing"]),
        ("DELETE FROM record_lines WHERE seq > 4", ["ends with line 4, and the last that was written is line 6"]),
        ("DELETE FROM record_lines", ["ends with line 0"]),
    ):
        with sqlite3.connect(where) as connection:
            whole = connection.execute("SELECT * FROM record_lines").fetchall()
            connection.execute(spoiled)
        connection.close()
        found = kept.damages()
        assert len(found) == len(expected), found
        assert all(part in line for part, line in zip(expected, found, strict=True))
        with sqlite3.connect(where) as connection:
            connection.execute("DELETE FROM record_lines")
            connection.executemany("INSERT INTO record_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)", whole)
        connection.close()
    assert kept.damages() == []


def test_a_line_written_anew_with_its_digest_is_found_at_the_next(tmp_path: Path) -> None:
    kept = Record(tmp_path / "record.sqlite")
    lines = [kept.add("ada", "train", f"sae-{i}") for i in range(4)]
    forged = replace(lines[1], who="ben")
    forged = replace(forged, digest=forged.computed())
    found = damages([lines[0], forged, *lines[2:]], (4, lines[-1].digest))
    assert len(found) == 1 and "line 3 of the record does not follow" in found[0]


def test_many_processes_write_one_whole_record(where: str) -> None:
    code = (
        "import sys; from core.team.record import Record; kept = Record(sys.argv[1]);"
        "[kept.add(sys.argv[2], 'label', str(i)) for i in range(20)]"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, where, name], cwd=ROOT) for name in ("ada", "ben", "eve")]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    kept = Record(where)
    lines = kept.lines()
    assert len(lines) == 60 and kept.damages() == []
    for name in ("ada", "ben", "eve"):
        assert [line.what for line in lines if line.who == name] == [str(i) for i in range(20)]


def test_exports_hold_every_line_and_no_formula(where: str) -> None:
    kept = Record(where)
    kept.add("=HYPERLINK(1)", "train", "a\nb\x00c\ud800", "done")
    kept.add("ada", "train", "x" * 2000)
    lines = kept.lines()
    rows = list(csv.reader(io.StringIO(as_csv(lines))))
    assert rows[0][:4] == ["seq", "at", "who", "action"] and len(rows) == 3
    assert rows[1][2] == "'=HYPERLINK(1)" and rows[1][4] == "a b c"
    documents = [json.loads(line) for line in as_json_lines(lines).splitlines()]
    assert [document["digest"] for document in documents] == [line.digest for line in lines]
    assert len(documents[1]["what"]) == record.LONGEST


def test_what_guards_answer_is_recorded_and_looking_is_not(kept: Record) -> None:
    with acting_as(OPERATOR):
        require("train", "sae-1")
        require("train", "sae-1")
        require("look")
        record.wrote("train", "sae-1", "done")
    with acting_as(VIEWER), pytest.raises(Refused):
        require("train", "sae-2")
    lines = [(line.who, line.action, line.what, line.outcome) for line in kept.lines()]
    assert lines == [
        ("ada@example.org", "train", "sae-1", "allowed"),
        ("ada@example.org", "train", "sae-1", "done"),
        ("ben@example.org", "train", "sae-2", "refused"),
    ]


def test_what_cannot_be_recorded_is_not_done(kept: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "postgresql+psycopg://ada:hunter2@127.0.0.1:1/none"
    monkeypatch.setattr(record, "default_address", lambda: secret)
    with acting_as(OPERATOR), pytest.raises(InputError) as said:
        require("delete", "gallery")
    assert "record" in str(said.value) and "hunter2" not in str(said.value) and "\n" not in str(said.value)


def test_nothing_is_recorded_on_one_persons_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.setattr(record, "default_address", lambda: str(tmp_path / "none.sqlite"))
    record.wrote("train", "sae")
    require("train", "sae")
    assert os.listdir(tmp_path) == []

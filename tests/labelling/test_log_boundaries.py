"""The label log where something is wrong around it: a read-only place, another writer, a damaged row, a full import."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cli import main
from core.config import InputError
from core.labelling import LabelLog
from core.labelling import log as log_module
from tests.labelling.label_helpers import label


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that can be made read-only: /place with `remount`."""
    place = tmp_path / "place"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_log_on_a_read_only_disk_is_read(read_only: Path) -> None:
    log = LabelLog(read_only / "labels.sqlite")
    log.extend([label(i) for i in range(5)])
    log.close()
    subprocess.run(["mount", "-o", "remount,ro", str(read_only)], check=True)
    again = LabelLog(read_only / "labels.sqlite")
    assert [entry.neuron for entry in again.events()] == list(range(5))
    with pytest.raises(InputError, match=r"cannot be used .*readonly"):
        again.add(label(9))


def test_a_log_that_another_writer_holds_is_read(tmp_path: Path) -> None:
    where = tmp_path / "labels.sqlite"
    LabelLog(where).extend([label(1), label(2)])
    holder = sqlite3.connect(where, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        assert [entry.neuron for entry in LabelLog(where).events()] == [1, 2]
    finally:
        holder.execute("ROLLBACK")


def test_a_damaged_row_is_named_and_passed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    where = tmp_path / "labels.sqlite"
    LabelLog(where).extend([label(i) for i in range(4)])
    with sqlite3.connect(where) as raw:
        raw.execute("UPDATE label_events SET body = '{\"neuron\": 1' WHERE seq = 2")
        raw.execute("UPDATE label_events SET body = '[]' WHERE seq = 3")
    log = LabelLog(where)
    assert [entry.neuron for entry in log.events()] == [0, 3]
    assert list(log.damaged) == [2, 3] and "event 2 of the label log is damaged" in log.warnings()[0]
    assert main(["labels", "export", "--log", str(where), "--json"]) == 0
    assert capsys.readouterr().err.count("warning: event ") == 2


def test_an_import_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, given = LabelLog(tmp_path / "labels.sqlite"), [label(i) for i in range(1200)]
    insert, calls = log_module.insert, []

    def stops(table: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return insert(table)

    with monkeypatch.context() as patch:
        patch.setattr(log_module, "insert", stops)
        with pytest.raises(KeyboardInterrupt):
            log.extend(given)
    assert log.events() == []
    assert log.extend([*given, given[0]]) == 1200 and log.extend(given) == 0
    assert [entry.neuron for entry in log.events()] == list(range(1200))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"neuron": 1 << 31}, "below"),
        ({"rater": "r" * 101}, "100 characters"),
        ({"id": "i" * 65}, "id has 65"),
        ({"sae": "s" * 65}, "sae has 65"),
        ({"source": "s" * 501}, "source has 501"),
        ({"text": "a\x00b"}, "no database keeps"),
        ({"text": "\ud800"}, "no database keeps"),
    ],
)
def test_limits_are_those_of_every_database(wrong: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        label(**({"neuron": 1} | wrong))


def test_a_log_is_left_as_it_was_by_reading_it(tmp_path: Path) -> None:
    where = tmp_path / "labels.sqlite"
    log = LabelLog(where)
    log.add(label(1))
    log.close()
    before = where.read_bytes()
    again = LabelLog(where)
    again.events()
    again.close()
    assert where.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["labels.sqlite"]

"""A backup put back is what was there; it is whole or not there, and never put over something else."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.cli import main
from core.config import ROOT
from core.jobs.store import JobStore
from core.labelling import LabelEvent, LabelLog
from core.team import configuration
from core.team.record import Record

KILLS = 2


@dataclass
class Place:
    """A server that does not run: its file, its own folder and its databases."""

    file: Path
    home: Path
    addresses: Mapping[str, str]

    def labels(self) -> LabelLog:
        return LabelLog(self.addresses.get("labels") or self.home / "labels.sqlite")

    def record(self) -> Record:
        return Record(self.addresses.get("record") or self.home / "record.sqlite")

    def jobs(self) -> JobStore:
        return JobStore(self.addresses.get("jobs") or self.home / "jobs.sqlite")

    def content(self) -> dict[str, object]:
        """All that is kept."""
        log, kept = self.labels(), self.record()
        files = {
            path.relative_to(self.home).as_posix(): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file() and not path.name.startswith(("labels.sqlite", "record.sqlite", "jobs.sqlite"))
        }
        found = {"events": log.events(), "sets": log.sets(), "lines": kept.lines(), "damages": kept.damages()}
        log.close()
        kept.close()
        return {**found, "files": files, "jobs": self.jobs().counts()}


def place(folder: Path, addresses: Mapping[str, str]) -> Place:
    home = folder / "home"
    home.mkdir(parents=True)
    lines = ['[server]\nhome = "home"\n[access]\nmode = "open"\n']
    lines += [f'[{name}]\naddress = "{address}"\n' for name, address in addresses.items()]
    (folder / "team.toml").write_text("".join(lines))
    return Place(folder / "team.toml", home, addresses)


def label(neuron: int) -> LabelEvent:
    return LabelEvent(neuron=neuron, rater="ada", sae="a" * 64, type="social", attribute="gender", text="beards, =1+1")


def filled(made: Place) -> Place:
    log, kept = made.labels(), made.record()
    for i in range(30):
        log.add(label(i))
        kept.add("ada", "label", f"neuron {i}")
    log.close()
    kept.close()
    made.jobs()
    (made.home / "maps" / "deep").mkdir(parents=True)
    (made.home / "maps" / "deep" / "places.npy").write_bytes(os.urandom(5000))
    (made.home / "empty").mkdir()
    (made.home / "empty.bin").write_bytes(b"")
    return made


@pytest.fixture(params=["sqlite", "postgresql", "mixed"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, Place]:
    """A server with content, and an empty one of the same kind."""
    both = []
    for name in ("before", "after"):
        addresses = {}
        if request.param == "postgresql":
            server = request.getfixturevalue("database_server")
            address = server.database(f"{name}_{tmp_path.name}_{random.getrandbits(32)}".replace("-", "_").lower())
            addresses = dict.fromkeys(("labels", "record", "jobs"), address)
        elif request.param == "mixed":
            addresses = {"labels": f"sqlite:///{tmp_path / f'{name}-labels.sqlite'}"}
        both.append(place(tmp_path / name, addresses))
    configuration._read_once.cache_clear()
    return filled(both[0]), both[1]


def test_what_is_restored_is_what_was_there(places: tuple[Place, Place], tmp_path: Path) -> None:
    before, after = places
    assert main(["backup", "--config", str(before.file), "--to", str(tmp_path / "b")]) == 0
    assert main(["restore", "--config", str(after.file), "--from", str(tmp_path / "b")]) == 0
    assert after.content() == before.content()
    assert (after.home / "empty").is_dir()
    assert after.labels().add(label(99)), "the next label has a number of its own"
    after.record().add("ada", "label", "one more")
    assert after.record().damages() == [] and len(after.labels().events()) == 31


def test_the_same_again_changes_nothing_and_something_else_is_never_written_over(
    places: tuple[Place, Place], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = places
    backup = ["backup", "--config", str(before.file), "--to", str(tmp_path / "b")]
    restore = ["restore", "--config", str(after.file), "--from", str(tmp_path / "b")]
    assert main(backup) == 0 and main(backup) == 2 and "not empty" in capsys.readouterr().err
    assert main(restore) == 0 and main(restore) == 0
    after.labels().add(label(99))
    assert main(restore) == 2 and "not empty" in capsys.readouterr().err
    assert len(after.labels().events()) == 31


def test_a_backup_is_for_its_owner_and_holds_no_secret(places: tuple[Place, Place], tmp_path: Path) -> None:
    before, _ = places
    (tmp_path / "b").mkdir()
    assert main(["backup", "--config", str(before.file), "--to", str(tmp_path / "b")]) == 0
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o700
    document = json.loads((tmp_path / "b" / "backup.json").read_text())
    assert set(document["files"]) >= {"team.toml", "own/maps/deep/places.npy"} and document["left_out"] == []


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "manifest"])
def test_a_damaged_backup_is_refused_before_anything_is_written(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = filled(place(tmp_path / "before", {})), place(tmp_path / "after", {})
    assert main(["backup", "--config", str(before.file), "--to", str(tmp_path / "b")]) == 0
    victim = tmp_path / "b" / "own" / "maps" / "deep" / "places.npy"
    if damage == "changed":
        victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    elif damage == "missing":
        victim.unlink()
    elif damage == "added":
        (victim.parent / "more").write_text("x")
    else:
        (tmp_path / "b" / "backup.json").write_text("{}")
    capsys.readouterr()
    assert main(["restore", "--config", str(after.file), "--from", str(tmp_path / "b")]) == 2
    said = capsys.readouterr().err
    assert "damaged" in said and len(said.splitlines()) == 1
    assert list(after.home.iterdir()) == []


def test_links_and_pipes_are_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = filled(place(tmp_path / "before", {}))
    (before.home / "link").symlink_to("/etc/passwd")
    (before.home / "folder").symlink_to("/etc")
    os.mkfifo(before.home / "pipe")
    assert main(["backup", "--config", str(before.file), "--to", str(tmp_path / "b")]) == 0
    assert "folder, link, pipe" in capsys.readouterr().out
    assert not os.path.lexists(tmp_path / "b" / "own" / "link")
    assert main(["backup", "--config", str(before.file), "--to", str(before.home / "b")]) == 2


def test_a_backup_of_a_server_that_is_written_to_is_whole(tmp_path: Path) -> None:
    """What was told to be kept before the backup began is in it, and the record in it is whole."""
    before, after = filled(place(tmp_path / "before", {})), place(tmp_path / "after", {})
    over = threading.Event()

    def write() -> None:
        kept = before.record()
        number = 0
        while not over.is_set():
            kept.add("ben", "label", str(number := number + 1))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.3)
        told = len(before.record().lines())
        assert main(["backup", "--config", str(before.file), "--to", str(tmp_path / "b")]) == 0
    finally:
        over.set()
        writer.join()
    assert main(["restore", "--config", str(after.file), "--from", str(tmp_path / "b")]) == 0
    assert after.record().damages() == [] and len(after.record().lines()) >= told


def test_killed_at_any_moment_nothing_is_half_there(places: tuple[Place, Place], tmp_path: Path) -> None:
    before, after = places
    rng = random.Random(0)
    (before.home / "large.bin").write_bytes(os.urandom(20 << 20))

    def killed(arguments: list[str], seconds: float) -> None:
        run = subprocess.Popen([sys.executable, "-m", "core", *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        run.send_signal(signal.SIGKILL)
        run.wait()

    backup = ["backup", "--config", str(before.file), "--to", str(tmp_path / "b")]
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-m", "core", *backup], cwd=ROOT, check=False).returncode == 0
    whole = time.monotonic() - began
    shutil.rmtree(tmp_path / "b")
    for _ in range(KILLS):
        killed(backup, rng.uniform(whole * 0.4, whole))
        assert not (tmp_path / "b").exists() or (tmp_path / "b" / "backup.json").is_file()
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
    assert main(backup) == 0
    restore = ["restore", "--config", str(after.file), "--from", str(tmp_path / "b")]
    for _ in range(KILLS):
        killed(restore, rng.uniform(whole * 0.4, whole))
        after.home.mkdir(exist_ok=True)
    assert main(restore) == 0
    assert after.content() == before.content()


def test_a_database_that_is_copied_while_it_is_in_use_holds_no_half_of_anything(tmp_path: Path) -> None:
    before = filled(place(tmp_path / "before", {}))
    held = sqlite3.connect(before.home / "labels.sqlite", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    held.execute("UPDATE label_events SET rater = 'nobody'")
    assert main(["backup", "--config", str(before.file), "--to", str(tmp_path / "b")]) == 0
    held.execute("ROLLBACK")
    held.close()
    copied = LabelLog(tmp_path / "b" / "own" / "labels.sqlite")
    assert {event.rater for event in copied.events()} == {"ada"} and len(copied.events()) == 30
    copied.close()

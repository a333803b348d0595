"""What is kept on this machine: listed with size and age, exported whole, deleted only where it was made here."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from core.config import HOME_VARIABLE, InputError
from core.ui.data import machine
from core.ui.session import folders
from core.ui.session.state import AppState


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setitem(folders.OWN, "galleries", tmp_path / "galleries")
    monkeypatch.setitem(folders.OWN, "saes", tmp_path / "saes")
    for folder, marker in (("galleries/mine", "manifest.json"), ("saes/small", "config.json"), ("home/maps/abc", "a")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / marker).write_bytes(bytes(1000))
        (tmp_path / folder / "more.npy").write_bytes(bytes(500))
        os.utime(tmp_path / folder / "more.npy", (10**9, 10**9))
        os.utime(tmp_path / folder / marker, (10**9 + 86_400, 10**9 + 86_400))
    return tmp_path


def made(own: Path) -> dict[str, machine.Thing]:
    return {thing.kind: thing for thing in machine.things() if thing.where == machine.MADE}


def test_everything_is_listed_with_its_size_and_the_age_of_its_newest_file(own: Path) -> None:
    found = made(own)
    assert set(found) == {"gallery", "SAE", "map"} and {thing.size for thing in found.values()} == {1500}
    rows = machine.table(list(found.values()), now=10**9 + 3 * 86_400).set_index("What")
    assert rows.loc["gallery", "Name"] == "mine" and set(rows["Days old"]) == {2.0}
    shipped = [thing for thing in machine.things() if thing.where == machine.SHIPPED]
    assert {"default", "default-image"} <= {thing.name for thing in shipped}


def test_an_export_holds_every_file_and_follows_no_link(own: Path) -> None:
    thing = made(own)["gallery"]
    (thing.path / "link").symlink_to("/etc/hostname")
    with zipfile.ZipFile(io.BytesIO(machine.packed(thing))) as archive:
        assert sorted(archive.namelist()) == ["mine/manifest.json", "mine/more.npy"]


def test_only_what_was_made_here_and_is_not_in_use_is_deleted(own: Path) -> None:
    found, state = made(own), AppState()
    shipped = next(thing for thing in machine.things() if thing.name == "default-attire")
    for thing in (shipped, machine.Thing("gallery", "x", own / "home", 0, 0.0)):
        with pytest.raises(InputError, match="not a folder that was made here"):
            machine.delete(state, thing)
    state.gallery = str(found["gallery"].path)
    with pytest.raises(InputError, match="chosen now"):
        machine.delete(state, found["gallery"])
    assert found["gallery"].path.is_dir() and shipped.path.is_dir()
    machine.delete(AppState(), found["gallery"])
    machine.delete(AppState(), found["SAE"])
    assert set(made(own)) == {"map"} and (own / "galleries").is_dir()
    aside = own / "galleries" / "aside"
    (own / "elsewhere").mkdir()
    (own / "elsewhere" / "manifest.json").write_text("{}")
    aside.symlink_to(own / "elsewhere")
    with pytest.raises(InputError, match="not a folder"):
        machine.delete(AppState(), made(own)["gallery"])
    assert (own / "elsewhere" / "manifest.json").is_file()


@pytest.mark.parametrize(("size", "said"), [(999, "1 kB"), (1_500_000, "1.5 MB"), (2_000_000_000, "2.0 GB")])
def test_sizes_read(size: int, said: str) -> None:
    assert machine.size_text(size) == said

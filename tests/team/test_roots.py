"""Folders by their names: no text leads to another folder, and no path leaves the server."""

from pathlib import Path

import pytest

from core.access import CONFIG_VARIABLE
from core.config import ASSETS, ROOT, InputError, own_folder
from core.report.kept import kept_folder
from core.team.roots import folder_of, name_of, names, place_for_new, without_paths
from core.team.settings import Configuration


@pytest.fixture
def given(tmp_path: Path) -> Configuration:
    for gallery in ("one", "many/a", "many/b b", "many/.hidden", "many/a/nested", "outside"):
        (tmp_path / gallery).mkdir(parents=True, exist_ok=True)
        (tmp_path / gallery / "manifest.json").write_text("{}")
    (tmp_path / "many" / "empty").mkdir()
    roots = {"galleries": {"one": tmp_path / "one", "faces": tmp_path / "many"}, "saes": {}}
    return Configuration(tmp_path / "unskew.toml", "open", roots=roots)


def test_a_root_is_one_or_holds_several(given: Configuration, tmp_path: Path) -> None:
    listed = names(given, "galleries")
    assert listed == {"one": tmp_path / "one", "faces/a": tmp_path / "many/a", "faces/b b": tmp_path / "many/b b"}
    for name, folder in listed.items():
        assert folder_of(given, "galleries", name) == folder and name_of(given, "galleries", folder) == name
    assert place_for_new(given, "galleries") == tmp_path / "many"
    with pytest.raises(InputError, match=r"no place for new saes: name a folder .* under \[roots.saes\]"):
        place_for_new(given, "saes")


@pytest.mark.parametrize(
    "name",
    [
        *("", "faces", "faces/", "faces/empty", "faces/.hidden", "faces/..", "faces/../outside", "faces/a/nested"),
        *(
            "one/",
            "one/manifest.json",
            "outside",
            "/etc",
            "../outside",
            "faces//a",
            "faces/./a",
            "faces/a/",
            "faces\\a",
        ),
        *("FACES/a", "faces/A", "faces/a\0", "\0"),
    ],
)
def test_no_other_text_leads_to_a_folder(name: str, given: Configuration) -> None:
    assert folder_of(given, "galleries", name) is None
    assert folder_of(given, "saes", name) is None


def test_no_path_is_left_in_a_text(given: Configuration, tmp_path: Path) -> None:
    text = (
        f"{tmp_path}/many/a/pooled.npy: broken; '{own_folder()}/labels.sqlite' and {ROOT}/core/config.py, "
        f"{ASSETS}/galleries/default, {tmp_path}/else/where, {Path.home()}"
    )
    shown = without_paths(text, given)
    assert shown == (
        "faces/a/pooled.npy: broken; '(server)' and (server), shipped/galleries/default, (server), (server)"
    )
    assert without_paths("nothing of the kind", given) == "nothing of the kind"


def test_audits_are_kept_where_the_configuration_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audits").mkdir()
    monkeypatch.setenv("UNSKEW_AUDITS", str(tmp_path / "own"))
    assert kept_folder() == tmp_path / "own"
    for text, folder in (("", "own"), ('[roots.audits]\nshared = "audits"\n', "audits")):
        path = tmp_path / f"{folder}.toml"
        path.write_text(f'[access]\nmode = "open"\n{text}')
        monkeypatch.setenv(CONFIG_VARIABLE, str(path))
        assert kept_folder() == tmp_path / folder

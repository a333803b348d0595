"""Folders by their names: no text leads to another folder, and no path leaves the server."""

from pathlib import Path

import pytest

from core.access import CONFIG_VARIABLE, Person, acting_as
from core.config import ASSETS, ROOT, InputError, own_folder
from core.report.kept import kept, kept_folder
from core.team.roots import folder_of, name_of, names, place_for_new, without_paths
from core.team.settings import Configuration
from core.ui.session import cache


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


def test_what_lies_in_a_root_is_opened_by_whoever_may_look_only_where_it_is_listed(
    given: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path into a root is no way to its parent, nor to where a link in it leads."""
    (tmp_path / "many" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "unskew.toml").write_text(
        f'[access]\nmode = "open"\n[roots.galleries]\nfaces = "{tmp_path / "many"}"\n'
    )
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "unskew.toml"))
    with acting_as(Person("vic@example.org", "vic", frozenset({"viewer"}))):
        assert cache.resolve("galleries", str(tmp_path / "many" / "a")) == tmp_path / "many" / "a"
        for hidden in ("link", "..", ".hidden", "empty"):
            with pytest.raises(InputError, match="nothing of this name is listed"):
                cache.resolve("galleries", f"{tmp_path / 'many'}/{hidden}")


def test_a_stand_shows_no_audit_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of any gallery and name their auditors."""
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.setenv("UNSKEW_AUDITS", str(tmp_path))
    (tmp_path / "2026-x").mkdir()
    for role, listed in (("guest", []), ("viewer", ["2026-x"])):
        with acting_as(Person("", "", frozenset({role}))):
            assert [one.name for one in kept()] == listed

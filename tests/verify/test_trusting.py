"""A report of a stranger: no folder is opened because the report names it."""

from pathlib import Path

from core.verify import find_places


def test_only_what_was_given_or_ships_is_taken(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "mine").mkdir()

    def entry(name: str, given: str) -> dict:
        return {"name": name, "given": given, "digest": given, "files": {"manifest.json": "0"}}

    stranger, shipped = entry("theirs", str(tmp_path / "secret")), entry("default", "default")
    manifest = {"galleries": [stranger, shipped], "saes": [entry("sae", f"{tmp_path}/secret/")]}
    trusting = find_places(manifest)
    assert trusting.galleries[stranger["digest"]] == tmp_path / "secret" and any(trusting.saes.values())
    careful = find_places(manifest, trusting=False)
    assert careful.galleries[stranger["digest"]] is None and not any(careful.saes.values())
    found = careful.galleries["default"]
    assert found is not None and found.name == "default"
    one = {"galleries": [stranger], "saes": []}
    assert find_places(one, [tmp_path / "mine"], trusting=False).galleries[stranger["digest"]] == tmp_path / "mine"

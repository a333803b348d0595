"""A report computed again: edits that are others, files that do not follow, a labelled set of another SAE."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from core.config import VERSION, Edit, InputError
from core.labelling import LabelSet
from core.verify import recomputed, verdict
from core.verify.closed import unlike_its_bytes
from core.verify.digests import Places
from core.verify.recomputed import _edits, _label_set, _rendered
from core.verify.signature import Signed
from core.verify.texts import _backbone


def test_edits_that_the_probe_half_does_not_give_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    again = {"gender": [{"image": Edit((1,))}, {}, {"image": Edit((2, 5))}]}
    monkeypatch.setattr(recomputed, "edits_of", lambda spec, sources: (again, ["a note"]))
    kept = [{side: edit.to_json() for side, edit in one.items()} for one in again["gender"]]
    spec = SimpleNamespace(all_prompts=("p", "q", "r"))

    def found(edits: list) -> tuple:
        return _edits(spec, None, {"attributes": [{"attribute": "gender", "edits": edits}]})

    assert found(kept) == (again, ["a note"], [])
    edits, notes, lines = found([kept[0], {"image": Edit((3,)).to_json()}, {"image": Edit((2, 5), 0.5).to_json()}])
    assert (edits, notes) == (again, ["a note"])
    assert [line.partition(": ")[0] for line in lines] == ["gender | q | edits", "gender | r | edits"]
    assert lines[0].endswith("the probe half gives {}")


@pytest.mark.parametrize(
    ("kept", "line"),
    [("a\nb\nc\n", None), ("a\nB\nc\n", 2), ("a\nb\nc", 4), ("a\nb", 3), ("a\nb\nc\nd", 4), ("A\nb\nc\n", 1)],
)
def test_the_first_line_that_does_not_follow_is_named(
    kept: str, line: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file ends too early the first that it lacks, where it goes on the first that it has besides."""
    monkeypatch.setattr(recomputed, "rendered", lambda document, gallery: {"page.html": "a\nb\nc\n"})
    (tmp_path / "page.html").write_bytes(kept.encode())
    own = list(_rendered(tmp_path, {"software": {"unskew": VERSION}}, None))
    assert own == ([] if line is None else [f"page.html: line {line} is not what report.json gives"])
    for wrote in ("0.0.1", None):
        software = {} if wrote is None else {"unskew": wrote}
        other = list(_rendered(tmp_path, {"software": software}, None))
        said = f"(version {wrote or 'unknown'} of the app wrote it, this is {VERSION}: verify with that one)"
        assert len(other) == len(own) and all(one.endswith(said) for one in other)


def test_bytes_that_are_no_text_are_told_though_they_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recomputed, "rendered", lambda document, gallery: {"page.html": "a\n\ufffd"})
    (tmp_path / "page.html").write_bytes(b"a\n\xff")
    (line,) = _rendered(tmp_path, {"software": {"unskew": VERSION}}, None)
    assert line == "page.html: line 1 is not what report.json gives"


def test_a_labelled_set_is_of_the_reports_sae() -> None:
    made = LabelSet("gender", "s" * 64, (3, 1), "by three")
    assert _label_set(None, None) is None
    assert _label_set(made.to_json(), SimpleNamespace(digest="s" * 64)) == made
    for sae in (None, SimpleNamespace(digest="t" * 64)):
        with pytest.raises(InputError, match="the set 'gender' names neurons of the SAE ssssssssssss, which is not"):
            _label_set(made.to_json(), sae)


# ------------------------------------------------------------------------------------------ models, orders, ends


@pytest.mark.parametrize("folder", [None, Path("nowhere/at/all")])
def test_no_model_is_loaded_because_a_gallery_names_it(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        raise AssertionError(f"{name} was loaded")

    monkeypatch.setattr("core.backbones.base.load_model", load)
    monkeypatch.setattr("core.backbones.base.family_of", lambda name: SimpleNamespace(folder=lambda name: folder))
    assert _backbone("big/model", None) == "the model big/model is not here; name it with --model to encode them again"


def test_codes_that_nobody_listed_are_named_in_order(tmp_path: Path) -> None:
    """Whatever order the folder gives them in."""
    names = [f"{number:02}" for number in (7, 2, 9, 4, 0, 11, 5, 1, 8, 3, 10, 6)]
    (tmp_path / "codes" / ("s" * 16)).mkdir(parents=True)
    for name in names:
        (tmp_path / "codes" / ("s" * 16) / name).touch()
    (tmp_path / "manifest.json").write_text('{"files": {}}')
    entry = {"files": {"manifest.json": "x"}, "digest": "d"}
    lines = [line for line in unlike_its_bytes(tmp_path, entry, {"s" * 64}) if line.startswith("codes/")]
    said = "was not listed by the report; verify with a copy of the gallery without it"
    assert lines == [f"codes/{'s' * 16}/{name}: {said}" for name in sorted(names)]


def test_a_document_that_cannot_be_read_ends_the_verdict_with_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise KeyError("spec")

    (tmp_path / "report.json").write_text("{}")
    manifest = {"files": {"a": "1", "b": "2"}, "galleries": [{"files": {"c": "3"}}], "saes": []}
    given = {"strange_files": ([], []), "check_signature": Signed(), "read_manifest": manifest}
    given |= {"refuse_other_schemas": None, "strange_manifest": [], "find_places": Places(), "compare_digests": []}
    for name, value in given.items():
        monkeypatch.setattr(verdict, name, lambda *asked, value=value: value)
    monkeypatch.setattr(verdict, "read_json", broken)
    found = verdict.verify(tmp_path)
    assert found.differences == ("report.json: could not be computed again: KeyError 'spec'",)
    assert (found.files, found.numbers, found.equal, found.about) == (4, 0, False, None)

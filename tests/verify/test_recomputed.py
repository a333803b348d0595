"""A report computed again: edits that are others, files that do not follow, a labelled set of another SAE."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from core.config import VERSION, Edit, InputError
from core.labelling import LabelSet
from core.verify import recomputed
from core.verify.recomputed import _edits, _label_set, _rendered


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

"""What a closed report may hold, by hand: names, keys, digests, dates, arrays; and what a verdict says it rests on."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.audit.recorded_texts import RecordingTexts
from core.config import InputError, digest_of
from core.reading import through_json
from core.report import canonical, sealed
from core.report.document import SCHEMA
from core.store import file_digest
from core.verify.about import About
from core.verify.asked_again import Asked
from core.verify.closed import (
    ENTRY,
    KEYS,
    NAMES,
    _inside,
    other_arrays,
    strange_document,
    strange_files,
    strange_manifest,
    unlike_its_bytes,
    unlike_the_document,
)
from core.verify.compared import checked
from core.verify.digests import MANIFEST, Places, compare_digests
from core.verify.other_versions import refuse_other_schemas
from core.verify.recomputed import belonging
from core.verify.texts import AGAIN, OF_GALLERY, REPORTED, Prompts, _differences, _short
from core.verify.verdict import Verdict, verify
from tests.tiny import TinyBackbone

REPORT = ("report.html", "report.json", "findings.csv", "card.md", "evidence.npz")
HEX = "0" * 64


def entry(**more: object) -> dict:
    return {"name": "g", "given": "g", "digest": "d" * 64, "files": {"a/b.npy": HEX}, **more}


def manifest(**more: object) -> dict:
    given = {"schema": 1, "files": dict.fromkeys(REPORT, HEX), "self": "", "galleries": [entry(spare=[])]}
    return given | {"saes": [entry(side="image")]} | more


def test_a_whole_manifest_is_not_strange() -> None:
    assert set(manifest()) == KEYS and set(entry()) == ENTRY
    assert list(strange_manifest(manifest(), False)) == []
    answers = manifest(kind="lvlm", models=[{"name": "m", "given": "m", "digest": "x"}])
    assert list(strange_manifest(answers, True)) == []
    assert len(list(strange_manifest(answers, False))) == len(list(strange_manifest(manifest(), True))) == 2


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"schema": 2}, "has schema 2; expected 1"),
        ({"schema": True}, "has schema True; expected 1"),
        ({"extra": 1}, "has the key 'extra', which does not belong there"),
        ({"files": dict.fromkeys((*REPORT, "x"), HEX)}, "lists 'x', which is no file of a report"),
        ({"files": dict.fromkeys(REPORT[1:], HEX)}, "does not list report.html"),
        ({"saes": [1]}, "saes holds something that is no entry"),
        ({"saes": [entry()]}, "saes, g: lacks the key 'side'"),
        ({"saes": [entry(side="image", spare=[])]}, "saes, g: has the key 'spare'"),
        ({"saes": [entry(side="image", files={"a": HEX[1:]})]}, "saes, g: the digest of a is none"),
        ({"saes": [entry(side="image", files={"a": HEX + "0"})]}, "saes, g: the digest of a is none"),
        ({"saes": [entry(side="image", files={"a": "G" * 64})]}, "saes, g: the digest of a is none"),
        ({"saes": [entry(side="image", files={"a": 1})]}, "saes, g: the digest of a is none"),
        ({"saes": [entry(side="image", files={"../a": HEX})]}, "saes, g: '../a' is no file inside it"),
    ],
)
def test_one_strange_thing_is_one_line(more: dict, line: str) -> None:
    (found,) = strange_manifest(manifest(**more), False)
    assert found.startswith(f"{MANIFEST}: {line}")


def test_names_stay_inside() -> None:
    for name in ("a", "a/b", "a..b", ".a", "a/..b"):
        assert _inside(name), name
    for name in ("", "/a", "..", "a/../b", "a\\b", "a\x00", None, 1):
        assert not _inside(name), name


def test_files_of_a_folder(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("x")
    assert strange_files(tmp_path) == ([], [])
    (tmp_path / "more").write_text("x")
    (tmp_path / "card.md").unlink()
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").symlink_to(tmp_path / "more")
    (tmp_path / "findings.csv").unlink()
    (tmp_path / "findings.csv").mkdir()
    assert strange_files(tmp_path) == (
        [
            "report.html: is a link; a report holds its files themselves",
            "findings.csv: is no regular file",
            "card.md: is missing",
        ],
        ["more: does not belong to the report"],
    )


def written(folder: Path, **more: object) -> dict:
    document = {
        "options": {"auditor": "a", "thumbnails": False, "removed": {}, "frozen": None},
        "software": {"unskew": "1"},
        "created_at": "2026-01-01T00:00:00+00:00",
    } | more
    (folder / "report.json").write_text(canonical(document))
    return document


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({}, []),
        ({"options": 1}, ["options was 1; expected"]),
        (
            {"options": {"auditor": 1, "thumbnails": 0, "removed": {}, "frozen": None}},
            ["options, auditor was 1", "options, thumbnails"],
        ),
        ({"options": {"auditor": "a", "removed": {}, "frozen": None}}, ["options: lacks the key 'thumbnails'"]),
        ({"software": ["unskew"]}, ["software is no list of versions"]),
        ({"software": {"unskew": 1}}, ["software is no list of versions"]),
        ({"software": {"numpy": "1"}}, ["software does not say"]),
        ({"created_at": "2026-01-01T00:00:00"}, ["created_at was '2026-01-01T00:00:00'; expected a date"]),
        ({"created_at": "x"}, ["created_at was 'x'"]),
        ({"created_at": None}, ["created_at was None"]),
    ],
)
def test_what_no_number_vouches_for(tmp_path: Path, more: dict, lines: list[str]) -> None:
    document = written(tmp_path, **more)
    found = list(strange_document(tmp_path, document))
    assert len(found) == len(lines)
    assert all(said.startswith(f"report.json: {line}") for said, line in zip(found, lines, strict=True))
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert next(strange_document(tmp_path, document)).startswith("report.json: is not written as a report is")


def test_arrays_are_those_that_are_asked_for() -> None:
    own = {"a": np.zeros(2), "b": np.zeros((2, 3), dtype=np.float32)}
    assert list(other_arrays(own, own)) == []
    said = {"a": np.zeros(2, dtype=np.float32), "c": np.zeros(1)}
    assert list(other_arrays(said, own)) == [
        "evidence.npz: holds 'c', which does not belong to the report",
        "evidence.npz: a is float32 (2,); expected float64 (2,)",
        "evidence.npz: lacks 'b'",
    ]
    (line,) = other_arrays({"a": np.zeros(3), "b": own["b"]}, own)
    assert line == "evidence.npz: a is float64 (3,); expected float64 (2,)"


def gallery(folder: Path, says: object, *codes: str) -> Path:
    (folder / "manifest.json").write_text(json.dumps({"files": says}))
    for name in codes:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


def test_a_gallery_says_of_itself_what_its_bytes_are(tmp_path: Path) -> None:
    sae = "s" * 64
    says = {"pooled.npy": {"sha256": HEX}, "attributes.parquet": {"sha256": HEX}}
    files = {"manifest.json": HEX, "pooled.npy": HEX, "attributes.parquet": HEX, "codes/x/c.npz": HEX}
    right = digest_of({"attributes.parquet": HEX, "pooled.npy": HEX})
    place = gallery(tmp_path, says, f"codes/{sae[:16]}/c.npz", f"codes/{'t' * 16}/c.npz")
    own = f"codes/{sae[:16]}/c.npz"
    whole = files | {own: HEX}

    def lines(listed: dict, digest: str = right, saes: tuple[str, ...] = (sae,)) -> list[str]:
        return list(unlike_its_bytes(place, {"files": listed, "digest": digest}, set(saes)))

    assert lines(whole) == [] == lines(files, saes=())
    assert lines(files) == [f"{own}: was not listed by the report; verify with a copy of the gallery without it"]
    assert lines(whole | {"more.npy": HEX}) == ["more.npy: is listed by the report, and no file of the gallery"]
    without = {name: digest for name, digest in whole.items() if name != "manifest.json"}
    assert lines(without) == ["manifest.json: was not listed by the report"]
    assert lines(whole, "e" * 64) == [f"has digest {right[:16]} by its bytes; the report says {'e' * 16}"]
    other = whole | {"pooled.npy": "1" * 64}
    moved = digest_of({"attributes.parquet": HEX, "pooled.npy": "1" * 64})
    assert lines(other, moved) == ["pooled.npy: has not the digest that the gallery's own manifest.json says"]
    for wrong in ({"a": 1}, {"a": {}}, 3):
        gallery(tmp_path, wrong)
        (line,) = lines(whole)
        assert line.startswith("manifest.json: lacks")


def test_manifest_and_document_name_the_same() -> None:
    both = {"config.json": HEX, "weights.safetensors": HEX}
    listed = {"galleries": [{"digest": "g"}, {"digest": "p"}], "saes": [{"digest": "s", "name": "n", "files": both}]}
    document = {"gallery": {"digest": "g"}, "probe": {"digest": "p"}, "saes": {"image": {"digest": "s"}}}
    assert list(unlike_the_document(listed, document)) == []
    answers = {"gallery": {"digest": "g"}, "probe": {"digest": "p"}, "sae": {"digest": "s"}}
    assert list(unlike_the_document(listed, answers)) == []
    assert list(unlike_the_document(listed | {"saes": []}, answers | {"sae": None})) == []
    (line,) = unlike_the_document(listed, document | {"saes": {}})
    assert line == f"{MANIFEST}: saes hold one with digest s, which report.json does not name"
    (line,) = unlike_the_document(listed | {"saes": []}, document)
    assert line == f"{MANIFEST}: saes lack the one with digest s, which report.json names"
    (line,) = unlike_the_document(listed | {"galleries": [*listed["galleries"], {"digest": "g"}]}, document)
    assert line == f"{MANIFEST}: galleries list one of them twice"
    (line,) = unlike_the_document(listed, document | {"probe": None})
    assert "hold one with digest p" in line
    one = {"digest": "s", "name": "n"}
    for files, strange in (({"sae.pt": HEX}, False), ({}, True), ({"a": HEX, "b": HEX}, True), (both, False)):
        found = list(unlike_the_document(listed | {"saes": [{**one, "files": files}]}, document))
        assert bool(found) is strange
    assert "saes, n: lists a, b" in next(
        unlike_the_document(listed | {"saes": [{**one, "files": {"a": HEX, "b": HEX}}]}, document)
    )


def test_a_sealed_manifest_of_untouched_files_is_equal(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "sae.pt").write_text("y")
    one = {"name": "s", "given": "s", "digest": "1", "files": {"sae.pt": file_digest(tmp_path / "sae.pt")}}
    whole = {"files": {"a": file_digest(tmp_path / "a")}, "galleries": [], "saes": [one]}
    (tmp_path / MANIFEST).write_text(canonical(sealed(whole)))
    for place in (tmp_path, tmp_path / "sae.pt"):
        assert compare_digests(tmp_path, whole, Places({}, {"1": place})) == []
    assert compare_digests(tmp_path, whole, Places({}, {})) == ["SAE s: is not here; give its folder with --sae"]


# ------------------------------------------------------------------------------------------------ prompts


class Read(TinyBackbone):
    known_words = None


def recorded(model: TinyBackbone, texts: dict[str, list[str]]) -> tuple[dict, dict]:
    recording = RecordingTexts(model)
    for attach, own in texts.items():
        recording.encode_texts(own, (attach,))
    document, arrays = recording.record()
    return through_json(document), arrays


def test_texts_are_what_the_model_gives_up_to_a_ten_thousandth() -> None:
    texts = {"pooled": ["a cook", "a nurse"], "residual": ["a cook"]}
    document, arrays = recorded(Read(), texts)
    assert list(_differences(document, arrays, Read())) == []
    for off, fine in ((0.9e-4, True), (1.2e-4, False)):
        moved = arrays["text_pooled"].astype(np.float64)
        moved[1, 0] += off * np.linalg.norm(moved[1])
        found = list(_differences(document, arrays | {"text_pooled": moved}, Read()))
        assert (found == []) is fine
        assert fine or found[0].startswith(
            "texts | pooled | a nurse: is not what the model gives for it (off by 0.00012"
        )
    (line,) = _differences(document, arrays | {"text_pooled": arrays["text_pooled"][:, :3]}, Read())
    assert line == "texts | pooled: the embeddings have shape (2, 3), encoded again (2, 12)"
    lost = arrays | {"text_pooled": np.full((2, 12), np.nan)}
    assert len(list(_differences(document, lost, Read()))) == 2
    (line,) = _differences(document | {"weights": "v" * 64}, arrays, Read())
    assert line == f"texts | weights: says {'v' * 16}, the gallery's model has {'w' * 16}"
    (line,) = _differences(document | {"truncated": ["a cook"]}, arrays, Read())
    assert line == "texts | truncated: says ['a cook'], the model gives []"
    (line,) = _differences(document | {"more": 1}, arrays, Read())
    assert line == "texts | more: does not belong to the report"


def test_the_readout_is_the_models() -> None:
    document, arrays = recorded(Read(), {"residual": ["a cook"]})
    name = "text_readout_ln_bias"
    for off, fine in ((0.9e-5, True), (3e-5, False)):
        moved = arrays | {name: arrays[name].astype(np.float64) * (1 + off)}
        assert (list(_differences(document, moved, Read())) == []) is fine
    (line,) = _differences(document, {key: a for key, a in arrays.items() if key != name}, Read())
    assert line == "texts | readout | ln_bias: is not the model's"
    (line,) = _differences(document, arrays | {name: arrays[name][:-1]}, Read())
    assert line == "texts | readout | ln_bias: is not the model's"
    pooled = recorded(Read(), {"pooled": ["a cook"]})
    assert list(_differences(*pooled, Read())) == []


def test_a_long_value_is_cut_after_eighty_signs() -> None:
    assert _short("x" * 78) == repr("x" * 78) and len(_short("x" * 78)) == 80
    assert _short("x" * 79) == "'" + "x" * 79 + "..."


# ------------------------------------------------------------------------------------------------ verdicts


def document(**more: object) -> dict:
    given = {
        "gallery": {"name": "g", "digest": "1" * 64},
        "probe": {"name": "p", "digest": "2" * 64},
        "saes": {"image": {"name": "s", "digest": "3" * 64}},
        "spec": {"title": "t"},
        "spec_digest": "4" * 64,
        "options": {"auditor": "a  b", "thumbnails": False, "removed": {}, "frozen": None},
        "created_at": "today",
        "software": {"unskew": "9"},
    }
    return given | more


def test_a_verdict_names_what_it_is_about() -> None:
    about = About.of(document(), Prompts(AGAIN, "", "m", "5" * 64))
    assert [kind for kind, *_ in about.named] == ["gallery", "probe set", "SAE", "model", "spec"]
    assert [digest[0] for *_, digest in about.named] == ["1", "2", "3", "5", "4"]
    assert about.sentence().startswith(f"gallery g ({'1' * 16}), probe set p ({'2' * 16}), ")
    assert about.sentence().endswith(f"spec t ({'4' * 16}), dated today")
    assert len(about.unchecked) == 4 and about.unchecked[0] == "who the auditor is (stated: a b)"
    assert about.unchecked[3] == f"whether the spec with digest {'4' * 16} was written before anything was measured"
    same = document(probe={"name": "g", "digest": "1" * 64})
    for given in (same, document(probe=None)):
        found = About.of(given, Prompts(OF_GALLERY))
        assert [kind for kind, *_ in found.named] == ["gallery", "SAE", "spec"] and len(found.unchecked) == 4
    unsure = About.of(document(), Prompts(REPORTED, "it was asked not to", "m", "5"))
    assert len(unsure.unchecked) == 5 and unsure.unchecked[0].endswith("those of the report, as it was asked not to")
    assert unsure.to_json()["rests_on"]["why"] == "it was asked not to" and "why" not in about.to_json()["rests_on"]
    removed = document(options={"auditor": "a", "removed": {"x": "not  needed", "y": "z"}})
    assert About.of(removed, Prompts(AGAIN)).unchecked[-1].endswith("(stated: x (not needed); y (z))")


def test_a_verdict_on_answers_names_their_sae_where_there_is_one() -> None:
    answers = document(model={"name": "m", "weights": "5" * 64}, sae={"name": "s", "digest": "3" * 64})
    for given, kinds in (
        (answers, ["gallery", "SAE", "model", "spec"]),
        (answers | {"sae": None}, ["gallery", "model", "spec"]),
    ):
        about = About.of_answers(given, Asked())
        assert [kind for kind, *_ in about.named] == kinds
        assert about.named[-2] == ("model", "m", "5" * 64) and about.named[-1] == ("spec", "t", "4" * 64)
    assert About.of_answers(answers, Asked()).named[1] == ("SAE", "s", "3" * 64)


def test_a_report_of_a_version_with_other_draws_is_neither_confirmed_nor_contradicted(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"schema": SCHEMA, "software": {"unskew": "0.2.0"}}))
    listed = {"files": {"report.json": file_digest(tmp_path / "report.json")}}
    with pytest.raises(InputError, match=r"written by version 0\.2\.0 of the app.*verify it with version 0\.2\.0"):
        refuse_other_schemas(tmp_path, listed)


def test_a_report_of_an_older_schema_is_refused_and_a_changed_one_is_left_to_its_digest(tmp_path: Path) -> None:
    for schema, refused in ((1, True), (SCHEMA, False), (0, False)):
        (tmp_path / "report.json").write_text(json.dumps({"schema": schema, "software": {"unskew": "1.2"}}))
        listed = {"files": {"report.json": file_digest(tmp_path / "report.json")}}
        if refused:
            with pytest.raises(InputError, match=r"has schema 1, written by version 1\.2 of the app"):
                refuse_other_schemas(tmp_path, listed)
        else:
            refuse_other_schemas(tmp_path, listed)
        refuse_other_schemas(tmp_path, {"files": {"report.json": HEX}})
    refuse_other_schemas(tmp_path / "nowhere", {"files": {}})


def test_a_manifest_that_is_none_ends_the_verdict(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("[]")
    found = verify(tmp_path)
    assert (found.files, found.numbers, len(found.differences)) == (1, 0, 1)
    assert found.differences[0].startswith(f"{MANIFEST}: was changed after it was written: ")


def test_a_verdict_in_sentences() -> None:
    about = About.of(document(), Prompts(AGAIN, "", "m", "5" * 64))
    assert list(Verdict((), 1234, 5678).sentences()) == [
        "all equal: 1,234 files by digest, 5,678 values computed again"
    ]
    whole = list(Verdict((), 3, 9, (), about).sentences())
    assert whole[0] == f"all equal: 3 files by digest, 9 values computed again; {about.sentence()}"
    assert whole[1] == f"not checked: {'; '.join(about.unchecked)}" and len(whole) == 2
    wrong = list(Verdict(("x", "y"), 3, 9, ("able",), about).sentences())
    assert wrong == ["x", "y", "able: computed again by its own formula, for there is no second one here"]
    assert Verdict((), 3, 9, (), about).to_json()["stated"]["created_at"] == "today"


def test_evidence_that_belongs_to_a_report() -> None:
    rankings = ["rows_0_0", "ties_0_0", "text_other"]
    assert belonging(rankings, {"texts": None}) == {"rows_0_0", "ties_0_0"}
    pooled = {"texts": {"texts": {"pooled": []}}}
    assert belonging(rankings, pooled) == {"rows_0_0", "ties_0_0", "text_pooled"}
    both = belonging([], {"texts": {"texts": {"pooled": [], "residual": []}}})
    readout = {f"text_readout_{name}" for name in ("ln_weight", "ln_bias", "eps", "projection")}
    assert both == {"text_pooled", "text_residual"} | readout
    assert set(checked(document())) == set(document()) - {"created_at", "software", "options"}

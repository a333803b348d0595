"""Embeddings from elsewhere come in as they are, or are refused in one line with nothing left behind."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.config import InputError
from core.gallery import import_gallery, open_gallery
from core.gallery.importing import copy_rows

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "fairface_rn50"
N, D = 12, 6


class Given:
    """The files a person has, any of which a test may spoil."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.folder, self.out = folder, folder / "out" / "gallery"
        self.table = pd.DataFrame({"file": [f"p/{i}.jpg" for i in range(N)], "g": list("FM") * (N // 2)})
        self.rows = rng.normal(size=(N, D)).astype(np.float32)
        self.texts = rng.normal(size=(3, D)).astype(np.float32)
        self.prompts = pd.DataFrame({"prompt": ["a doctor", "a nurse", "a pilot"]})
        (folder / "p").mkdir(parents=True)
        for i in range(N):
            Image.new("RGB", (10, 10), (20 * i, 0, 0)).save(folder / "p" / f"{i}.jpg")

    def run(self, **options: Any) -> Any:
        np.save(self.folder / "x.npy", self.rows)
        np.save(self.folder / "t.npy", self.texts)
        self.table.to_csv(self.folder / "labels.csv", index=False)
        self.prompts.to_csv(self.folder / "prompts.csv", index=False)
        files = {"texts": self.folder / "t.npy", "text_table": self.folder / "prompts.csv", "images": self.folder}
        options = {"model_name": "RN50", "out": self.out, **files, **options}
        return import_gallery(self.folder / "x.npy", self.folder / "labels.csv", **options)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(tmp_path)


def test_what_comes_in_is_what_is_there(given: Given) -> None:
    gallery = given.run(licence="CC0", provenance="drawn", split_seed=4)
    assert (gallery.embeddings() == given.rows).all() and gallery.embeddings().dtype == np.float32
    assert gallery.labels("g").tolist() == given.table["g"].tolist()
    assert [gallery.item_id(i) for i in range(N)] == given.table["file"].tolist() == gallery.item_ids(np.arange(N))
    assert all(gallery.thumb(i)[:2] == b"\xff\xd8" for i in range(N))
    assert gallery.prompts == given.prompts["prompt"].tolist()
    said = gallery.manifest
    assert (said["licence"], said["provenance"], said["split"]) == ("CC0", "drawn", {"seed": 4, "whole": None})
    fingerprint = gallery.fingerprint()
    assert (fingerprint.model, fingerprint.weights, fingerprint.normalised) == ("RN50", "unknown", False)
    assert str(given.folder) not in (gallery.path / "manifest.json").read_text(), "whole paths stay at home"
    assert os.listdir(given.out.parent) == ["gallery"], "no workplace is left"


def test_equal_content_has_an_equal_digest_and_other_content_another(given: Given) -> None:
    digest = given.run().digest
    assert given.run(out=given.folder / "again", name="other", licence="said", images=None).digest == digest
    others = [given.run(out=given.folder / "seed", split_seed=1, images=None).digest]
    given.table.loc[0, "g"] = "M"
    others.append(given.run(out=given.folder / "label", images=None).digest)
    given.rows[0, 0] += 1
    others.append(given.run(out=given.folder / "row", images=None).digest)
    given.prompts.loc[0, "prompt"] = "a sailor"
    others.append(given.run(out=given.folder / "prompt", images=None).digest)
    assert len({digest, *others}) == 5


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_normalisation_is_measured(given: Given, dtype: str) -> None:
    unit = np.random.default_rng(1).normal(size=(N, 1024))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    given.rows, given.texts = unit.astype(dtype), unit[:3].astype(dtype)
    gallery = given.run()
    assert gallery.fingerprint().normalised is True
    assert gallery.embeddings().dtype == (np.float16 if dtype == "float16" else np.float32)
    given.rows = given.rows * np.where(np.arange(N) == 5, 1.01, 1.0).astype(dtype)[:, None]
    assert given.run(out=given.folder / "second").fingerprint().normalised is False, "one row of 1.01 is enough"


def test_captions_are_imported_too(given: Given) -> None:
    given.table = pd.DataFrame({"caption": [f"caption {i}" for i in range(N)], "g": list("FM") * (N // 2)})
    gallery = given.run(kind="captions", images=None, texts=None, text_table=None)
    assert gallery.side == "text" and gallery.text(3) == "caption 3" and gallery.item_id(3) == "4"
    assert gallery.attributes == ["g"] and gallery.thumb(0) == b"" and gallery.prompts == []


def test_npz_and_arrays_are_read(given: Given) -> None:
    expected = given.run(texts=None, text_table=None).digest
    for name, arrays in {"one.npz": {"x": given.rows}, "two.npz": {"embeddings": given.rows, "y": given.texts}}.items():
        np.savez(given.folder / name, **arrays)
        path = given.folder / name
        gallery = import_gallery(path, given.folder / "labels.csv", model_name="m", out=given.folder / name[:3])
        assert gallery.digest == expected
    assert (
        import_gallery(given.rows, given.folder / "labels.csv", model_name="m", out=given.folder / "a").digest
        == expected
    )


def test_a_bad_picture_costs_its_thumbnail_only(given: Given) -> None:
    (given.folder / "p" / "3.jpg").write_text("no picture")
    (given.folder / "p" / "5.jpg").unlink()
    Image.new("CMYK", (9, 9)).save(given.folder / "p" / "7.jpg")
    gallery = given.run()
    assert gallery.n == N and gallery.thumb(3) == gallery.thumb(5) == b"" and gallery.thumb(4)
    assert [one.name for one in gallery.left_out] == ["p/5.jpg", "p/3.jpg"]
    assert "not in the folder" in gallery.left_out[0].reason and "no picture" in gallery.left_out[1].reason
    assert gallery.manifest["notes"] == ["1 pictures: CMYK colours were converted to RGB"]


def spoil_rows(row: int, value: float) -> Any:
    def spoil(given: Given) -> None:
        given.rows[row] = value

    return spoil


def change(**fields: Any) -> Any:
    def spoil(given: Given) -> None:
        for name, how in fields.items():
            setattr(given, name, how(getattr(given, name)))

    return spoil


BAD: dict[str, tuple[Any, dict, str]] = {
    "nan": (spoil_rows(7, np.nan), {}, r"x\.npy: row 8 \(p/7\.jpg\) holds NaN"),
    "infinite": (spoil_rows(7, np.inf), {}, "row 8 .* infinite"),
    "zero row": (spoil_rows(2, 0), {}, r"row 3 \(p/2\.jpg\) is all zeros"),
    "too large for float32": (change(rows=lambda x: x.astype(np.float64) * 1e300), {}, "row 1 .* infinite"),
    "fewer rows": (change(rows=lambda x: x[:-1]), {}, "x.npy has 11 rows but .*labels.csv has 12"),
    "one column": (change(rows=lambda x: x[:, 0]), {}, r"x.npy has shape \(12,\)"),
    "whole numbers": (change(rows=lambda x: x.astype(int)), {}, "x.npy holds int64"),
    "no file column": (change(table=lambda t: t.rename(columns={"file": "path"})), {}, "no column 'file' or 'id'"),
    "same file twice": (change(table=lambda t: t.assign(file="a")), {}, "'a' is in row 1 and again in row 2"),
    "file left empty": (change(table=lambda t: t.assign(file=[*t["file"][:-1], None])), {}, "row 12 has no 'file'"),
    "half": (change(table=lambda t: t.assign(half=1)), {}, "'half' is taken"),
    "prompt width": (change(texts=lambda x: x[:, :-1]), {}, "t.npy has 5 columns but x.npy has 6"),
    "prompt count": (change(texts=lambda x: x[:-1]), {}, "t.npy has 2 rows but .*prompts.csv has 3"),
    "prompt twice": (change(prompts=lambda t: t.assign(prompt="a")), {}, "prompt 'a' is in row 1 and again"),
    "no prompt column": (change(prompts=lambda t: t.rename(columns={"prompt": "p"})), {}, "no column 'prompt'"),
    "texts without table": (change(), {"text_table": None}, "without their table"),
    "table without texts": (change(), {"texts": None}, "without its embeddings"),
    "no model name": (change(), {"model_name": " "}, "model name was empty"),
    "no such folder": (change(), {"images": Path("/no/such")}, "/no/such is no folder"),
    "no picture at all": (change(table=lambda t: t.assign(file="x" + t["file"])), {}, "none of the 12 pictures"),
    "kind": (change(), {"kind": "videos"}, "kind was 'videos'"),
    "whole": (change(), {"whole": "test"}, "whole was 'test'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(given: Given, case: str) -> None:
    spoil, options, message = BAD[case]
    spoil(given)
    with pytest.raises(InputError, match=message) as error:
        given.run(**options)
    assert "\n" not in str(error.value)
    assert not given.out.parent.exists() or os.listdir(given.out.parent) == []


def test_pickles_and_broken_arrays_are_refused(given: Given) -> None:
    given.run()
    np.save(given.folder / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    (given.folder / "cut.npy").write_bytes((given.folder / "x.npy").read_bytes()[:200])
    (given.folder / "text.npy").write_text("1,2,3")
    np.savez(given.folder / "many.npz", a=given.rows, b=given.rows)
    for name in ("pickle.npy", "cut.npy", "text.npy", "many.npz", "absent.npy"):
        with pytest.raises(InputError, match=name) as error:
            import_gallery(given.folder / name, given.folder / "labels.csv", model_name="m", out=given.folder / "g")
        assert "\n" not in str(error.value)


def test_an_existing_gallery_is_replaced_only_when_asked(given: Given) -> None:
    first = given.run()
    given.rows += 1
    with pytest.raises(InputError, match="exists already"):
        given.run()
    assert open_gallery(given.out).digest == first.digest
    assert given.run(replace=True).digest != first.digest
    given.rows[0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        given.run(replace=True)
    assert open_gallery(given.out).check() == [], "a failed replacement leaves the old gallery alone"


def test_rows_are_copied_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.gallery.importing.BLOCK_ROWS", 5)
    rows = np.random.default_rng(0).normal(size=(13, 4)).astype(np.float32)
    assert copy_rows(rows, tmp_path / "x.npy", "x", pd.Series(range(13))) is False
    assert (np.load(tmp_path / "x.npy") == rows).all()
    rows[11] = np.nan
    with pytest.raises(InputError, match=r"row 12 \(11\)"):
        copy_rows(rows, tmp_path / "x.npy", "x", pd.Series(range(13)))


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not here")
def test_real_embeddings_keep_their_known_facts(tmp_path: Path) -> None:
    """The noun axis separates gender with AUC .971 over all rows, and ranks White men as recorded with the data."""
    gallery = import_gallery(
        REAL / "image_embeddings.npy",
        REAL / "labels.csv",
        model_name="RN50",
        out=tmp_path / "fairface",
        texts=REAL / "text_embeddings.npy",
        text_table=REAL / "texts.csv",
    )
    assert gallery.n == 2000 and gallery.fingerprint().normalised is True and len(gallery.prompts) == 122
    assert gallery.group_counts("gender", gallery.rows(where={"race": "White"})) == {
        "Female": 1000,
        "Male": 207,
        "unknown": 0,
    }
    kinds = gallery.prompt_table["kind"].to_numpy()
    texts = np.stack([gallery.prompt_embedding(prompt) for prompt in gallery.prompts])
    scores = gallery.unit() @ (texts[kinds == "male"].mean(0) - texts[kinds == "female"].mean(0))
    men = gallery.labels("gender") == "Male"
    auc = (scores[men][:, None] > scores[~men][None, :]).mean()
    assert abs(auc - 0.971) < 0.001
    white = gallery.rows(where={"race": "White"})
    for noun, share in {"veteran": 0.65, "person": 0.15, "nurse": 0.00}.items():
        ranked = white[np.argsort(-(gallery.unit(white) @ gallery.prompt_embedding(f"a photo of a {noun}")))[:100]]
        assert abs(men[ranked].mean() - share) < 0.011, noun

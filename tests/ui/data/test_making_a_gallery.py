"""Making a gallery in the browser: what people have goes in right there too, or one line says why not."""

import io
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.ui.session import cache, folders
from core.ui.session.state import KEY, AppState

pytestmark = pytest.mark.usefixtures("small_model")

ROOT = Path(__file__).resolve().parents[3]


class Form:
    """The form of Data & models, filled in and sent."""

    def __init__(self, world: dict[str, str], own: Path) -> None:
        self.world, self.own = world, own

    def page(self, name: str = "data_and_models", state: AppState | None = None) -> AppTest:
        test = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=180)
        if state is None:
            state = AppState(gallery=self.world["searched"], model="small", linked=True, saes={})
            state.filters["data-view"] = "gallery"
        test.session_state[KEY] = state
        return test.run()

    def sends(self, way: str, source: Path, table: tuple[str, bytes] | None = None, **fields: str) -> AppTest:
        test = self.page()
        next(box for box in test.selectbox if box.label == "Make it from").set_value(way).run()
        next(one for one in test.text_input if one.label == "Path on this server").set_value(str(source))
        for label, value in {"Name": "mine", **fields}.items():
            fields_there = sorted(test.text_input, key=lambda one, label=label: one.label != label)
            next(one for one in fields_there if one.label.startswith(label)).set_value(value)
        if table is not None:
            next(one for one in test.file_uploader if "table" in one.label).upload(*table)
        test.form_submit_button[0].click().run()
        assert not test.exception
        return test

    def makes(self, way: str, source: Path, table: tuple[str, bytes] | None = None, **fields: str) -> AppTest:
        test = self.sends(way, source, table, **fields)
        assert not test.warning, test.warning[0].value
        return test

    def refuses(self, way: str, source: Path, table: tuple[str, bytes] | None = None, **fields: str) -> str:
        test = self.sends(way, source, table, **fields)
        assert len(test.warning) == 1 and not (self.own / "mine").exists()
        line = unescaped(test.warning[0].value)
        assert "\n" not in line
        return line


def unescaped(line: str) -> str:
    """A line of Markdown as it is read."""
    return re.sub(r"\\([^\w\s])", r"\1", line)


@pytest.fixture
def form(world: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Form:
    own = tmp_path / "own"
    monkeypatch.setattr(folders, "OWN", {"galleries": own, "saes": tmp_path / "saes"})
    return Form(world, own)


def made(test: AppTest):
    return cache.gallery(test.session_state[KEY].gallery)


def shown(test: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning")
    return "\n".join(str(one.value) for kind in kinds for one in test.get(kind)).replace("\\", "")


def rows(folder: Path, n: int, d: int = 12) -> Path:
    np.save(folder / "x.npy", np.random.default_rng(n).normal(size=(n, d)).astype(np.float32))
    return folder / "x.npy"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for i in range(4):
        (tmp_path / "pics").mkdir(exist_ok=True)
        Image.new("RGB", (24, 24), (60 * i, 9, 255 - 60 * i)).save(tmp_path / "pics" / f"{i}.jpg")
    (tmp_path / "pics" / "cut.jpg").write_bytes((tmp_path / "pics" / "3.jpg").read_bytes()[:300])
    (tmp_path / "pics" / "phone.HEIC").write_bytes(b"\0" * 40)
    return tmp_path / "pics"


# --- what is in, and what is not --------------------------------------------------------------------------------


def test_pictures_that_are_left_out_are_named(form: Form, pictures: Path) -> None:
    table = b"file,gender\n0.jpg,Male\n./1.jpg,Female\n2.JPG,Male\ngone.jpg,Female\ncut.jpg,Male\n"
    test = form.makes("folder", pictures, ("t.csv", table))
    assert made(test).group_counts("gender") == {"Female": 1, "Male": 2, "unknown": 0}
    names = {one.name for one in made(test).left_out}
    assert names == {"gone.jpg", "cut.jpg", "phone.HEIC", "3.jpg"}
    test.session_state[KEY].set_filter("data-view", "choose")
    words = shown(test.run())
    assert "left out: 4 of what was given" in words and all(name in words for name in names)


def test_a_folder_comes_as_a_zip_and_what_it_leaves_out_is_said(form: Form, pictures: Path) -> None:
    (pictures / "cut.jpg").unlink()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(pictures.iterdir()):
            archive.write(file, f"people/{file.name}")
        archive.writestr("people/run.sh", "ls")
    test = form.page()
    next(box for box in test.selectbox if box.label == "Make it from").set_value("folder").run()
    next(one for one in test.file_uploader if "zip" in one.label).upload("my people.zip", packed.getvalue())
    next(one for one in test.text_input if one.label == "Name").set_value("mine")
    test.form_submit_button[0].click().run()
    assert not test.exception and not test.warning
    assert made(test).n == 4 and made(test).manifest["source"].startswith("folder people")
    assert not list(Path(tempfile.gettempdir()).glob("*/my-people")), "what was unpacked is gone"


def test_urls_captions_and_scores_are_no_groups_and_never_preselected(form: Form, tmp_path: Path) -> None:
    n, rng = 400, np.random.default_rng(0)
    frame = pd.DataFrame(
        {"url": [f"https://a.example/{i}.jpg" for i in range(n)], "caption": [f"c {i}" for i in range(n)]}
    )
    frame["similarity"], frame["age"] = rng.random(n), rng.integers(0, 90, n)
    frame["gender"], frame["id"] = np.where(np.arange(n) % 3, "Female", "Male"), [f"p{i}" for i in range(n)]
    given = ("metadata_0.csv", frame.to_csv(index=False).encode())
    test = form.makes("import", rows(tmp_path, n), given, Model="a model", Bins="age=18,60")
    gallery = made(test)
    assert set(gallery.attributes) == {"gender", "age"}
    assert set(gallery.group_counts("age")) == {"below 18", "18-59", "60 and more", "unknown"}
    state = test.session_state[KEY]
    assert state.attribute_in(gallery.attributes) in ("gender", "age")
    state.set_filter("data-view", "choose")
    words = shown(test.run())
    assert "not groups: url (400 values in 400 rows, about one a row)" in words and "not groups: similarity" in words


def test_numbers_without_bins_are_offered_in_bins(form: Form, tmp_path: Path) -> None:
    table = "id,age\n" + "".join(f"{i},{20 + i}\n" for i in range(60))
    test = form.makes("import", rows(tmp_path, 60), ("t.csv", table.encode()), Model="m")
    assert made(test).attributes == []
    test.session_state[KEY].set_filter("data-view", "choose")
    assert "make groups of them with --bins age=" in shown(test.run())


def test_groups_that_look_alike_are_said_and_joined(form: Form, tmp_path: Path) -> None:
    table = ("t.csv", "id,gender\na,Male\nb,male \nc,M\nd,Female\ne,F\u00e9male\nf,#N/A\n".encode())
    test = form.makes("import", rows(tmp_path, 6), table, Model="m", Join="gender")
    assert made(test).group_counts("gender") == {"Female": 2, "Male": 3, "unknown": 1}
    words = " ".join(made(test).manifest["notes"])
    assert "hold #N/A: read as unknown" in words and "joined by spelling" in words


@pytest.mark.parametrize("writer", ["csv", "parquet", "jsonl", "tsv"])
def test_an_uploaded_table_is_the_same_from_every_writer(form: Form, tmp_path: Path, writer: str) -> None:
    frame = pd.DataFrame({"id": list("abcd"), "gender": [1.0, 0.0, None, 1.0]})
    out = tmp_path / f"t.{writer}"
    {
        "csv": lambda: frame.to_csv(out, index=False),
        "tsv": lambda: frame.to_csv(out, index=False, sep="\t"),
        "parquet": lambda: frame.to_parquet(out),
        "jsonl": lambda: frame.to_json(out, orient="records", lines=True),
    }[writer]()
    test = form.makes("import", rows(tmp_path, 4), (out.name, out.read_bytes()), Model="m")
    assert made(test).group_counts("gender") == {"0": 1, "1": 2, "unknown": 1}


def test_the_shards_of_clip_retrieval_need_no_table(form: Form, tmp_path: Path) -> None:
    root = tmp_path / "clip"
    root.mkdir()
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float16)
    for shard, part in enumerate((slice(0, 5), slice(5, 9))):
        np.save(root / f"img_emb_{shard}.npy", x[part])
        frame = pd.DataFrame({"image_path": [f"p/{i}.jpg" for i in range(9)][part]})
        frame.assign(gender="F").to_parquet(root / f"metadata_{shard}.parquet")
    test = form.makes("import", root, Model="ViT-B/32")
    assert (made(test).embeddings() == x).all() and made(test).item_id(7) == "p/7.jpg"


def test_embeddings_without_a_table_are_refused(form: Form, tmp_path: Path) -> None:
    assert "no table was given" in form.refuses("import", rows(tmp_path, 3), Model="m")


def test_caption_files_with_names(form: Form, tmp_path: Path) -> None:
    (tmp_path / "Flickr8k.token.txt").write_text("1.jpg#0\ta man .\n1.jpg#1\ta woman .\n2.jpg#0\ta doctor .\n")
    test = form.makes("captions", tmp_path / "Flickr8k.token.txt")
    assert [made(test).text(i) for i in range(3)] == ["a man .", "a woman .", "a doctor ."]


# --- what is refused --------------------------------------------------------------------------------------------

WRONG = {
    "shifted rows": ("t.csv", b"gender,id\nMale,p0,20\nFemale,p1,21\n", "row 1 (line 2) has 3 cells"),
    "two of one name": ("t.csv", b"id,g,g\na,x,y\nb,x,y\n", "two columns called 'g'"),
    "no column": ("t.csv", b"name,g\na,x\nb,y\n", "no column 'file' or 'id'"),
    "empty": ("t.csv", b"", "is empty"),
    "not text": ("t.csv", "id,g\na,é\n".encode("latin-1"), "is not UTF-8 text"),
    "no Parquet": ("t.parquet", b"id,g\na,x\nb,y\n", "cannot be read as Parquet"),
    "other rows": ("t.csv", b"id,g\na,x\n", "2 rows but"),
    "twice": ("t.csv", b"id,g\na,x\na,y\n", "'a'"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_table_is_one_line(form: Form, tmp_path: Path, kind: str) -> None:
    name, data, said = WRONG[kind]
    line = form.refuses("import", rows(tmp_path, 2), (name, data), Model="m")
    assert name in line and "/tmp" not in line.replace(str(tmp_path), ""), "the file by the name that was sent"
    assert said in line and not any(word in line for word in ("Traceback", "pandas", "pyarrow", "Error"))


def test_wrong_embeddings_are_one_line(form: Form, tmp_path: Path) -> None:
    table = ("t.csv", b"id,g\na,x\nb,y\n")
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04 no tensors")
    np.savez(tmp_path / "two.npz", image=np.eye(2, 4), text=np.eye(2, 4))
    assert "x.pt" in form.refuses("import", tmp_path / "x.pt", table, Model="m")
    assert "several arrays" in form.refuses("import", tmp_path / "two.npz", table, Model="m")
    test = form.makes("import", tmp_path / "two.npz", table, **{"Model": "m", "Name of the array": "image"})
    assert made(test).n == 2


def test_a_name_that_is_taken_is_said_before_a_model_is_loaded(form: Form, pictures: Path, monkeypatch) -> None:
    (form.own / "mine").mkdir(parents=True)
    monkeypatch.setattr(cache, "backbone", lambda *a, **k: pytest.fail("a model was loaded first"))
    test = form.sends("folder", pictures)
    assert "exists already; choose another name" in test.warning[0].value


def test_published_groups_that_a_spreadsheet_changed_are_refused(form: Form, tmp_path: Path) -> None:
    text = "file,age,gender,race,service_test\nval/0.jpg,09-Mar,Male,White,TRUE\n"
    (tmp_path / "f" / "val").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(tmp_path / "f" / "val" / "0.jpg")
    (tmp_path / "f" / "fairface_label_val.csv").write_text(text)
    assert "which a spreadsheet made of 3-9" in form.refuses("fairface", tmp_path / "f")


# --- without a text encoder -------------------------------------------------------------------------------------


def test_a_gallery_without_its_text_encoder_names_the_three_ways_out(form: Form, tmp_path: Path, monkeypatch) -> None:
    table = "id,gender\n" + "".join(f"{i},{'FM'[i % 2]}\n" for i in range(60))
    test = form.makes("import", rows(tmp_path, 60, 9), ("t.csv", table.encode()), Model="a model of ours")
    state = test.session_state[KEY]
    state.query, state.k, state.attribute = "a photo of a doctor", 10, "gender"
    words = shown(form.page("compare", state))
    assert "no text encoder of gallery mine is here" in words
    assert all(way in words for way in ("--model NAME:WEIGHTS", "--texts with --text-table", "--query-embedding"))

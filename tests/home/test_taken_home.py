"""From the default gallery into what people run and back: the same ids as the app's edited ranking."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import notebook
from core.cli import main
from core.config import InputError
from core.gallery import open_gallery
from core.portable import read_edit
from tests.home.conftest import QUERY

K = 100


@pytest.fixture(scope="module")
def desk() -> notebook.Desk:
    return notebook.open("default", sae="default-image")


@pytest.fixture(scope="module")
def app_ids(desk, exported) -> list[str]:
    """Whom the app retrieves after the edit, ranking all rows."""
    edit = read_edit(exported)
    (said,) = edit.about["edits"].values()
    taken = notebook.TakenEdit(edit, {"image": notebook._edit(said)}, "neuron-edit")
    return list(desk.rank(QUERY, "gender", k=K, edit=taken).ids)


@pytest.fixture(scope="module")
def faces(desk) -> pa.Table:
    """The gallery as people would have it: id, group, vector."""
    x = np.asarray(desk.embeddings, dtype=np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])
    table = desk.table
    return pa.table({"id": table["id"].tolist(), "gender": table["gender"].tolist(), "vector": vectors})


def apply(edit: Path, source: str, target: str, capsys) -> dict:
    capsys.readouterr()
    assert main(["edit", "apply", str(edit), "--in", source, "--out", target, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def query(desk) -> np.ndarray:
    vector = desk.query(QUERY).astype(np.float32)
    return vector / np.linalg.norm(vector)


def test_the_lean_falls_as_the_card_says(desk, exported, app_ids):
    said = json.loads((exported / "edit.json").read_text())["measured"][0]
    assert said["query"] == QUERY and said["effect"].startswith("Male goes from 100 %")
    points = said["groups"]["Male"]["points"]
    assert points["before"]["lo"] > points["after"]["hi"] > points["after"]["estimate"]
    labels = dict(zip(desk.table["id"], desk.table["gender"], strict=True))
    men = sum(labels[one] == "Male" for one in app_ids)
    assert men == said["groups"]["Male"]["retrieved"]["after"]


def test_lancedb_s_own_search_answers_as_the_app_after_the_edit(desk, exported, app_ids, faces, tmp_path, capsys):
    lancedb = pytest.importorskip("lancedb")
    database = lancedb.connect(str(tmp_path / "db"))
    database.create_table("faces", faces)
    found = apply(exported, f"lancedb:{tmp_path}/db#faces", f"lancedb:{tmp_path}/db#even", capsys)
    assert found["rows"] == len(faces) and found["lost"] == 0
    asked = database.open_table("even").search(query(desk)).distance_type("cosine").limit(K)
    assert [row["id"] for row in asked.to_list()] == app_ids


def test_pgvector_answers_as_the_app_after_the_edit(desk, exported, app_ids, faces, postgres, capsys):
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("CREATE TABLE faces (id text PRIMARY KEY, gender text, embedding vector(128))")
        rows = zip(faces["id"].to_pylist(), faces["gender"].to_pylist(), desk.embeddings, strict=True)
        with connection.cursor() as cursor, cursor.copy("COPY faces FROM STDIN") as copy:
            for one, gender, vector in rows:
                copy.write_row((one, gender, str(np.asarray(vector, np.float32).tolist())))
        apply(exported, f"{postgres}#faces", "postgresql:even_faces", capsys)
        asked = "SELECT id FROM even_faces ORDER BY embedding <=> %s::vector LIMIT %s"
        found = connection.execute(asked, (str(query(desk).tolist()), K)).fetchall()
    assert [one for (one,) in found] == app_ids


@pytest.mark.parametrize("lists", [0, 16])
def test_faiss_answers_as_the_app_after_the_edit(lists, desk, exported, app_ids, faces, tmp_path, capsys):
    import faiss

    x = np.array(desk.scene.gallery.unit())
    index = faiss.IndexFlatIP(x.shape[1])
    if lists:
        index = faiss.IndexIVFFlat(index, x.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
        index.train(x)
    index.add(np.ascontiguousarray(np.asarray(desk.embeddings, dtype=np.float32)))
    faiss.write_index(index, str(tmp_path / "faces.index"))
    apply(exported, str(tmp_path / "faces.index"), str(tmp_path / "even.index"), capsys)
    edited = faiss.read_index(str(tmp_path / "even.index"))
    if lists:
        edited.nprobe = lists
    rows = edited.search(query(desk)[None], K)[1][0]
    assert [faces["id"][int(row)].as_py() for row in rows] == app_ids


def test_parquet_shards_answer_as_the_app_after_the_edit(desk, exported, app_ids, faces, tmp_path, capsys):
    (tmp_path / "shards").mkdir()
    for number, start in enumerate(range(0, len(faces), 700)):
        pq.write_table(faces.slice(start, 700), tmp_path / "shards" / f"part-{number}.parquet")
    (tmp_path / "shards" / "README").write_text("ours")
    found = apply(exported, str(tmp_path / "shards"), str(tmp_path / "even"), capsys)
    assert found["rows"] == len(faces) and found["notes"] == ["not looked at: README"]
    edited = pa.concat_tables(pq.read_table(path) for path in sorted((tmp_path / "even").iterdir()))
    scores = np.stack(edited["vector"].to_pylist()) @ query(desk)
    order = np.argsort(-scores, kind="stable")[:K]
    assert [edited["id"][int(row)].as_py() for row in order] == app_ids


def test_an_edited_store_comes_back_as_a_gallery(desk, exported, app_ids, faces, tmp_path, capsys):
    pq.write_table(faces, tmp_path / "faces.parquet")
    apply(exported, str(tmp_path / "faces.parquet"), str(tmp_path / "even.parquet"), capsys)
    out = str(tmp_path / "gallery")
    asked = ["--from", f"parquet:{tmp_path}/even.parquet", "--model-name", "default", "--out", out]
    assert main(["gallery", "import", *asked]) == 0
    gallery = open_gallery(out)
    assert "digest" in gallery.info()["provenance"] and gallery.group_counts(
        "gender"
    ) == desk.scene.gallery.group_counts("gender")
    np.save(tmp_path / "query.npy", query(desk))
    capsys.readouterr()
    more = ["--query-embedding", str(tmp_path / "query.npy"), "--attribute", "gender", "--k", str(K), "--json"]
    assert main(["rank", "--gallery", out, *more]) == 0
    assert json.loads(capsys.readouterr().out)["before"]["ids"] == app_ids


def test_show_and_import_say_what_it_is_and_refuse_other_embeddings(exported, tmp_path, capsys):
    assert main(["edit", "show", str(exported), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["sides"]["items"]["pieces"] == ["switch"] and shown["query"] == [QUERY]
    assert (
        main(["edit", "import", str(exported), "--gallery", "default", "--out", str(tmp_path / "kept"), "--json"]) == 0
    )
    spec = json.loads(capsys.readouterr().out)["spec"]
    assert spec["sae"] == "default-image" and spec["edit"]["neurons"] == shown["edits"]["image"]["neurons"]
    assert read_edit(tmp_path / "kept").about["digest"] == shown["digest"]
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 128)).astype(np.float32))
    (tmp_path / "x.csv").write_text("id,gender\n" + "".join(f"i{i},{'ab'[i % 2]}\n" for i in range(60)))
    given = ["--embeddings", str(tmp_path / "x.npy"), "--table", str(tmp_path / "x.csv"), "--model-name", "another"]
    assert main(["gallery", "import", *given, "--out", str(tmp_path / "other")]) == 0
    capsys.readouterr()
    asked = ["edit", "import", str(exported), "--gallery", str(tmp_path / "other"), "--out", str(tmp_path / "no")]
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert "model differs" in said and said.count("\n") == 1 and not (tmp_path / "no").exists()


def test_an_edit_of_items_alone_asks_for_no_text_encoder(desk, monkeypatch):
    def refused(*_, **__):
        raise InputError("no text encoder is here")

    monkeypatch.setattr("core.home.exporting.text_model", refused)
    edit = desk.switched(3)
    assert edit(desk.embeddings[:2]).shape == (2, desk.embeddings.shape[1])
    with pytest.raises(InputError, match="no text encoder"):
        desk.switched(3, queries=[QUERY], attribute="gender")
    with pytest.raises(InputError, match="no text encoder"):
        desk.method("orth-proj", "gender")


def test_an_edit_inside_a_model_is_not_applied_to_stored_rows(tmp_path, capsys):
    off = ["--sae", "default-image-residual", "--off", "3,5", "--out", str(tmp_path / "inside")]
    assert main(["edit", "export", "--gallery", "default", *off]) == 0
    np.save(tmp_path / "x.npy", np.ones((3, 128), np.float32))
    capsys.readouterr()
    asked = ["--in", str(tmp_path / "x.npy"), "--out", str(tmp_path / "y.npy")]
    assert main(["edit", "apply", str(tmp_path / "inside"), *asked]) == 2
    assert "inside the model" in capsys.readouterr().err and not (tmp_path / "y.npy").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "there is no edit yet"),
        (["--method", "sem-bi", "--attribute", "gender"], "cannot be taken along: it weighs"),
        (["--method", "mean-difference"], "give --attribute"),
        (["--smallest"], "give --query and --attribute"),
        (["--query", "a", "--method", "leace"], "without --attribute"),
        (["--sae", "default-image", "--off", "999999"], "this SAE has neurons 0 to"),
        (
            ["--sae", "default-image", "--off", "1", "--smallest", "--query", "a", "--attribute", "gender"],
            "finds its own",
        ),
    ],
)
def test_what_cannot_be_exported_is_one_line(given, said, tmp_path, capsys):
    assert main(["edit", "export", "--gallery", "default", *given, "--out", str(tmp_path / "e")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "e").exists()


@pytest.mark.parametrize("method", ["mean-difference", "leace", "orth-proj", "wring", "roboshot"])
def test_methods_travel_from_the_command_line(method, tmp_path, capsys):
    out = str(tmp_path / method)
    asked = ["--method", method, "--attribute", "gender", "--out", out, "--json"]
    assert main(["edit", "export", "--gallery", "default", *asked]) == 0
    said = json.loads(capsys.readouterr().out)
    changed = {"items": ["items"], "query": ["queries"], "both": ["items", "queries"]}
    from core.interventions import INTERVENTIONS

    assert list(said["sides"]) == changed[INTERVENTIONS.get(method).changes]

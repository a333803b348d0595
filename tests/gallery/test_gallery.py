"""A gallery opens without its embeddings, counts its unknowns, and can be shared by everybody at once."""

import itertools
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sparse

from core.config import Fingerprint, InputError
from core.gallery import Gallery, import_gallery, open_gallery, parse_where
from core.gallery import codes as codes_module
from core.gallery.writing import About, finish_gallery

N, D = 60, 8


def table(n: int = N) -> pd.DataFrame:
    """Two attributes with gaps: every seventh gender and every eleventh race is unknown."""
    gender = [None if i % 7 == 0 else "FM"[i % 2] for i in range(n)]
    race = [None if i % 11 == 0 else ["White", "Black", "Asian"][i % 3] for i in range(n)]
    return pd.DataFrame({"id": [f"item{i}" for i in range(n)], "gender": gender, "race": race}, dtype=object)


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    rng = np.random.default_rng(0)
    table().to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame({"prompt": ["a doctor", "a nurse"], "kind": ["x", "y"]}).to_csv(tmp_path / "p.csv", index=False)
    return import_gallery(
        rng.normal(size=(N, D)).astype(np.float32),
        tmp_path / "t.csv",
        model_name="toy",
        out=tmp_path / "gallery",
        texts=rng.normal(size=(2, D)).astype(np.float32),
        text_table=tmp_path / "p.csv",
    )


# --- groups and rows --------------------------------------------------------------------------------------------


def test_groups_labels_numbers_and_counts_tell_one_story(gallery: Gallery) -> None:
    for attribute in ("gender", "race"):
        expected = table()[attribute].tolist()
        assert gallery.labels(attribute).tolist() == expected
        groups, numbers = gallery.groups(attribute), gallery.group_numbers(attribute)
        assert [None if i < 0 else groups[i] for i in numbers] == expected and groups == sorted(groups)
        for rows in (None, np.arange(0, N, 7), np.array([], dtype=np.int64)):
            chosen = expected if rows is None else [expected[i] for i in rows]
            counts = gallery.group_counts(attribute, rows)
            assert counts == {**{g: chosen.count(g) for g in groups}, "unknown": chosen.count(None)}


def test_rows_are_the_literal_selection(gallery: Gallery) -> None:
    frame = gallery.table
    for half in ("all", "probe", "evaluation"):
        for where in ({}, {"gender": "F"}, {"gender": "F", "race": "White"}, {"race": "unknown"}):
            keep = (frame["half"] == half) | (half == "all")
            for column, value in where.items():
                keep &= frame[column].isna() if value == "unknown" else frame[column] == value
            rows = gallery.rows(half, where)
            assert rows.dtype == np.int64 and rows.tolist() == np.flatnonzero(keep).tolist()


def test_rows_that_cannot_be_chosen_say_what_can(gallery: Gallery) -> None:
    with pytest.raises(InputError, match="no attribute 'age'; known: gender, race"):
        gallery.rows(where={"age": "20"})
    with pytest.raises(InputError, match="no group 'Male'; known: F, M, unknown"):
        gallery.rows(where={"gender": "Male"})
    with pytest.raises(InputError, match="half was 'test'"):
        gallery.rows("test")  # type: ignore[arg-type]
    empty = next(i for i in range(N) if i % 7 == 0 and i % 11 == 0)
    assert gallery.rows(where={"gender": "unknown", "race": "unknown"}).tolist() == [empty]


def test_where_is_parsed_or_refused() -> None:
    assert parse_where(["race=White", " age = 20-29", "x=a=b"]) == {"race": "White", "age": "20-29", "x": "a=b"}
    for wrong in (["race"], ["=White"], ["a=1", "a=2"]):
        with pytest.raises(InputError):
            parse_where(wrong)


# --- embeddings, prompts, codes ---------------------------------------------------------------------------------


def test_embeddings_are_mapped_and_read_only(gallery: Gallery) -> None:
    stored = gallery.embeddings()
    assert isinstance(stored, np.memmap) and stored.shape == (N, D)
    for array in (stored, gallery.unit(), gallery.labels("gender"), gallery.group_numbers("gender")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(InputError, match="no residual embeddings, only pooled"):
        gallery.embeddings("residual")


def test_unit_is_the_same_cached_or_not(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    cached, some = gallery.unit(), gallery.unit(np.array([5, 2]))
    monkeypatch.setattr("core.gallery.gallery.UNIT_BYTES", 0)
    fresh = open_gallery(gallery.path)
    assert (fresh.unit(np.array([5])) == cached[[5]]).all(), "a few rows alone"
    assert (fresh.unit() == cached).all() and (fresh.unit(np.array([5, 2])) == some).all()


def test_known_prompts(gallery: Gallery) -> None:
    assert gallery.prompts == ["a doctor", "a nurse"] and gallery.prompt_table["kind"].tolist() == ["x", "y"]
    vector = gallery.prompt_embedding("a nurse")
    assert vector is not None and (vector == np.load(gallery.path / "prompts.npy")[1]).all()
    assert gallery.prompt_embedding("a pilot") is None


def mapped(array: np.ndarray | None) -> bool:
    """Whether an array's numbers lie in a memory-mapped file."""
    return isinstance(array, np.memmap) or (array is not None and mapped(getattr(array, "base", None)))


@pytest.mark.parametrize("text", ["{}", "[]", '{"sae": "x", "shape": 3, "files": {}}'])
def test_a_broken_codes_file_is_named(gallery: Gallery, text: str) -> None:
    gallery.write_codes("d" * 64, sparse.csr_matrix(np.ones((N, 4))))
    (gallery.path / "codes" / ("d" * 16) / "codes.json").write_text(text)
    with pytest.raises(InputError, match=r"broken codes\.json; remove that folder"):
        open_gallery(gallery.path).codes("d" * 64)


def test_codes_round_trip_by_rows_and_by_neurons(gallery: Gallery) -> None:
    dense = np.random.default_rng(0).random((N, 20)) * (np.random.default_rng(1).random((N, 20)) < 0.2)
    before = gallery.digest
    assert gallery.codes("a" * 64) is None
    gallery.write_codes("a" * 64, sparse.csr_matrix(dense))
    for opened in (gallery, open_gallery(gallery.path)):
        codes = opened.codes("a" * 64)
        assert codes is not None and codes.csr.format == "csr" and codes.csc.format == "csc"
        for matrix in (codes.csr, codes.csc):
            np.testing.assert_array_equal(matrix.toarray(), dense.astype(np.float32))
            assert mapped(matrix.data) and mapped(matrix.indices), "mapped, not read"
        assert opened.digest == before, "codes are not part of what a gallery is"
    assert gallery.codes("a" * 16 + "b" * 48) is None, "the whole digest counts"
    with pytest.raises(InputError, match="codes of 3 rows"):
        gallery.write_codes("c" * 64, sparse.csr_matrix(np.ones((3, 20))))
    assert gallery.check() == []
    path = gallery.path / "codes" / ("a" * 16) / "csr_data.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert gallery.check() == [f"codes/{'a' * 16}/csr_data.npy was changed after it was written"]


def test_codes_come_in_blocks_that_need_not_fit_in_memory(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = np.random.default_rng(0).random((N, 20)) * (np.random.default_rng(1).random((N, 20)) < 0.3)
    dense[:, 3] = 0
    blocks = [sparse.csr_matrix(dense[start : start + 3]) for start in range(0, N, 3)]
    monkeypatch.setattr(codes_module, "BLOCK_CODES", 11)
    told: list[tuple[int, int]] = []
    written = gallery.write_codes("a" * 64, iter(blocks), 20, lambda done, total, what: told.append((done, total)))
    whole = sparse.csr_matrix(dense, dtype=np.float32)
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(written.csr, part), getattr(whole, part))
        np.testing.assert_array_equal(getattr(written.csc, part), getattr(whole.tocsc(), part))
    assert len(told) > 2 and told[-1] == (N, N) and mapped(written.csc.data)
    none = gallery.write_codes("b" * 64, iter([sparse.csr_matrix((N, 20))]), 20)
    assert none.csr.nnz == none.csc.nnz == 0 and gallery.check() == []


def test_codes_that_stop_half_way_leave_the_old_ones(gallery: Gallery) -> None:
    gallery.write_codes("a" * 64, sparse.csr_matrix(np.eye(N, 20)))

    def stops() -> Iterator[sparse.csr_matrix]:
        yield sparse.csr_matrix(np.ones((2, 20)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gallery.write_codes("a" * 64, stops(), 20)
    np.testing.assert_array_equal(open_gallery(gallery.path).codes("a" * 64).csr.toarray(), np.eye(N, 20))
    assert [path.name for path in (gallery.path / "codes").iterdir()] == ["a" * 16]


def test_memory_holds_one_block_of_codes(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 blocks of 16,384 codes are 8 MB twice over; a block with its sorted copy and positions is some 0.7 MB."""
    monkeypatch.setattr(codes_module, "BLOCK_CODES", 1 << 14)
    block = sparse.random(512, 256, density=0.125, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
    tracemalloc.start()
    codes_module.write_codes(gallery.path, "a" * 64, itertools.repeat(block, 64), (64 * 512, 256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 << 20, peak


# --- opening and checking ---------------------------------------------------------------------------------------


def test_every_changed_byte_is_found_and_named(gallery: Gallery) -> None:
    seen: list[str] = []
    assert gallery.check(lambda done, total, what: seen.append(what)) == []
    assert [name for name in seen if name.endswith("pooled.npy")] and all("compared, MB" in what for what in seen)
    for name in gallery.manifest["files"]:
        path = gallery.path / name
        sound = path.read_bytes()
        path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        assert gallery.check() == [f"{name} was changed after it was written"]
        path.unlink()
        assert gallery.check() == [f"{name} is missing"]
        path.write_bytes(sound)
    assert gallery.check() == []


def test_cut_or_missing_files_are_found_on_opening(gallery: Gallery) -> None:
    for name in gallery.manifest["files"]:
        path = gallery.path / name
        sound = path.read_bytes()
        path.write_bytes(sound[:-1])
        with pytest.raises(InputError, match=name):
            open_gallery(gallery.path)
        path.unlink()
        with pytest.raises(InputError, match=f"{name} is missing"):
            open_gallery(gallery.path)
        path.write_bytes(sound)
    open_gallery(gallery.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"n": N + 1}, f"has {N} rows"),
        ({"files": None}, "lacks 'files'"),
        ({"split": None}, "lacks 'split'"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(gallery: Gallery, change: dict, message: str) -> None:
    manifest = {key: value for key, value in {**gallery.manifest, **change}.items() if value is not None}
    (gallery.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=message):
        open_gallery(gallery.path)


def test_a_manifest_with_another_width_is_refused(gallery: Gallery) -> None:
    manifest = gallery.manifest
    manifest["fingerprints"]["pooled"]["d"] = D + 1
    (gallery.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"pooled\.npy has shape"):
        open_gallery(gallery.path)


def test_no_gallery_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json.*default-probe"):
        open_gallery(tmp_path)


def test_a_whole_set_has_no_other_half(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    gallery = import_gallery(np.eye(N), tmp_path / "t.csv", model_name="m", out=tmp_path / "g", whole="evaluation")
    assert gallery.rows("evaluation").tolist() == gallery.rows().tolist() == list(range(N))
    with pytest.raises(InputError, match="no probe half: it is wholly the evaluation set"):
        gallery.rows("probe")


def test_what_one_session_does_to_its_copies_reaches_nobody(gallery: Gallery) -> None:
    frame, manifest = gallery.table, gallery.manifest
    frame.loc[:, "gender"] = "changed"
    manifest["files"].clear()
    gallery.groups("gender").clear()
    assert gallery.table["gender"].tolist() != frame["gender"].tolist()
    assert gallery.manifest["files"] and gallery.groups("gender") == ["F", "M"]


def test_threads_share_one_computation(gallery: Gallery) -> None:
    def use(i: int) -> tuple[int, ...]:
        where = gallery.rows("probe", {"gender": "F"})
        return id(gallery.unit()), id(gallery.labels("race")), id(gallery.embeddings()), len(where), len(gallery.table)

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(use, range(200)))) == 1


def test_info_counts_everything(gallery: Gallery) -> None:
    info = json.loads(json.dumps(gallery.info()))
    assert info["n"] == N and sum(info["halves"].values()) == N and info["prompts"] == 2
    assert info["attributes"]["gender"]["unknown"] == sum(i % 7 == 0 for i in range(N))
    assert all(sum(counts.values()) == N for counts in info["attributes"].values())


# --- scale ------------------------------------------------------------------------------------------------------


def test_a_million_items_open_without_their_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse file of 2 GB of zeros stands for the embeddings. Time is the processor's, whatever else it is doing."""
    n, d = 1_000_000, 512
    np.lib.format.open_memmap(tmp_path / "pooled.npy", mode="w+", dtype=np.float32, shape=(n, d)).flush()
    monkeypatch.setattr("core.gallery.writing.file_digest", lambda path, read: "0" * 64)
    monkeypatch.setattr("core.gallery.writing.write_frame", lambda path, frame: None)
    numbers = pa.array(np.arange(n))
    odd = pc.equal(pc.bit_wise_and(numbers, 1), 1)
    columns = {"id": numbers.cast("string"), "half": pa.repeat("probe", n), "g": pc.if_else(odd, "M", "F")}
    pq.write_table(pa.table(columns), tmp_path / "attributes.parquet")
    frame = pd.DataFrame({"id": np.empty(n, dtype="S1")})
    fingerprint = Fingerprint("m", "unknown", "image", "pooled", d)
    finish_gallery(tmp_path, frame, About("big", "images", "test", whole="probe"), {"pooled": fingerprint})

    start = time.process_time()
    gallery = open_gallery(tmp_path)
    opened = time.process_time() - start
    assert gallery.embeddings()[n - 1, 0] == 0 and gallery.item_id(n - 1) == str(n - 1)
    assert len(gallery.rows("probe", {"g": "M"})) == n // 2
    asked = time.process_time() - start
    assert opened < 0.5 and asked < 5, f"opened in {opened:.3f} s, first rows after {asked:.2f} s"


def test_opening_imports_no_heavy_library() -> None:
    heavy = ("torch", "streamlit", "open_clip", "faiss", "umap")
    code = f"import core.gallery, sys; sys.exit(', '.join(m for m in {heavy!r} if m in sys.modules) or None)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])

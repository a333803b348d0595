"""What `hostile` feeds to every door: the verbs, whole things that they read, the corpus and seeded changes of it."""

import contextlib
import io
import json
import pickle
import random
import re
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.cli import main

ROOT = Path(__file__).resolve().parents[2]
MAKER = ROOT.parent / "shared" / "attacks" / "make.py"
N, D, M = 48, 8, 16


@dataclass(frozen=True)
class Door:
    """A verb, and how a file becomes its input."""

    name: str
    command: list[str]
    """Arguments; {p} is the file, {out} what is made, {w} the folder of whole things."""
    put: str | None = None
    """Where the file goes in a copy of a whole thing: "gallery/pooled.npy"; None: it stays where it is."""


IMPORT = ["gallery", "import", "--table", "{w}/labels.csv", "--model-name", "m", "--out", "{out}", "--embeddings"]
RANK = ["rank", "--gallery", "{w}/gallery", "--attribute", "gender", "--k", "5", "--json"]
INFO = ["gallery", "info", "{c}/gallery", "--check"]
RANK_COPY = ["rank", "--gallery", "{c}/gallery", "--attribute", "gender", "--k", "5", "--query", "a nurse"]
VERIFY = ["verify", "{c}/report", "--gallery", "{w}/gallery", "--sae", "{w}/sae"]
METRICS = ["metrics", "--k", "4", "--attribute", "gender", "--ranked", "{w}/labels.csv", "--gallery-table"]
DOORS: dict[str, list[Door]] = {
    "json": [
        Door("audit", ["audit", "{p}", "--out", "{out}"]),
        Door("lvlm audit", ["lvlm", "audit", "{p}", "--out", "{out}"]),
        Door("target", [*METRICS, "{w}/labels.csv", "--target", "{p}"]),
        Door("labels", ["labels", "import", "{p}", "--log", "{o}/log.db"]),
        Door("classes", ["zeroshot", "--gallery", "{w}/gallery", "--attribute", "gender", "--classes", "{p}"]),
        Door("coco", ["gallery", "build", "--dataset", "coco-captions", "--root", "{p}", "--out", "{out}"]),
        Door("gallery's manifest", INFO, "gallery/manifest.json"),
        Door("report", VERIFY, "report/report.json"),
        Door("report's manifest", VERIFY, "report/manifest.json"),
        Door("sae's settings", [*RANK, "--query", "a nurse", "--sae", "{c}/sae", "--off", "1"], "sae/config.json"),
        Door("codes' document", RANK_COPY, "gallery/codes/*/codes.json"),
    ],
    "npy": [
        Door("import", [*IMPORT, "{p}"]),
        Door("texts", [*IMPORT, "{w}/x.npy", "--texts", "{p}", "--text-table", "{w}/prompts.csv"]),
        Door("query", [*RANK, "--query-embedding", "{p}"]),
        Door("gallery", RANK_COPY, "gallery/pooled.npy"),
        Door("gallery's prompts", RANK_COPY, "gallery/text_pooled.npy"),
        Door(
            "codes", [*RANK_COPY, "--sae", "{w}/sae", "--off", "1", "--form", "blend"], "gallery/codes/*/csr_indptr.npy"
        ),
        Door("encode", ["sae", "encode", "{w}/sae", "--in", "{p}", "--out", "{out}.npz"]),
    ],
    "npz": [
        Door("import", [*IMPORT, "{p}"]),
        Door("apply", ["apply", "neuron-edit", "--in", "{p}", "--out", "{out}.npz"]),
        Door("stats", ["stats", "lean", "--in", "{p}"]),
        Door("lvlm score", ["lvlm", "score", "--in", "{p}", "--out", "{out}.npz"]),
        Door("evidence", VERIFY, "report/evidence.npz"),
        Door("readout", ["gallery", "info", "{c}/gallery"], "gallery/readout.npz"),
    ],
    "safetensors": [
        Door("import", [*IMPORT, "{p}"]),
        Door("sae import", ["sae", "import", "{p}", "--out", "{out}"]),
        Door("sae", [*RANK, "--query", "a nurse", "--sae", "{c}/sae", "--off", "1"], "sae/weights.safetensors"),
        Door(
            "verify",
            ["verify", "{w}/report", "--gallery", "{w}/gallery", "--sae", "{c}/sae"],
            "sae/weights.safetensors",
        ),
    ],
    "pickle": [
        Door("sae import", ["sae", "import", "{p}", "--out", "{out}"]),
        Door("import", [*IMPORT, "{p}"]),
        Door("query", [*RANK, "--query-embedding", "{p}"]),
    ],
    "table": [
        Door(
            "import",
            ["gallery", "import", "--embeddings", "{w}/x.npy", "--model-name", "m", "--out", "{out}", "--table", "{p}"],
        ),
        Door("captions", ["gallery", "build", "--captions", "{p}", "--out", "{out}"]),
        Door("pictures", ["gallery", "build", "--images", "{w}/pictures", "--table", "{p}", "--out", "{out}"]),
        Door("metrics", [*METRICS, "{p}"]),
        Door("ranked", ["metrics", "--k", "4", "--gallery-table", "{w}/labels.csv", "--ranked", "{p}"]),
        Door("labels", ["labels", "import", "{p}", "--log", "{o}/log.db"]),
        Door("target", [*METRICS, "{w}/labels.csv", "--target", "{p}"]),
        Door("texts' table", [*IMPORT, "{w}/x.npy", "--texts", "{w}/texts.npy", "--text-table", "{p}"]),
        Door("gallery's table", RANK_COPY, "gallery/attributes.parquet"),
    ],
    "picture": [
        Door("build", ["gallery", "build", "--images", "{c}/pictures", "--out", "{out}"], "pictures/0.png"),
        Door("ask", ["lvlm", "ask", "--question", "is this person likely to be a doctor?", "--picture", "{p}"]),
    ],
    "model": [
        Door("build", ["gallery", "build", "--images", "{w}/pictures", "--model", "local-dir:{p}", "--out", "{out}"])
    ],
    "sae": [
        Door("import", ["sae", "import", "{p}", "--out", "{out}"]),
        Door("rank", [*RANK, "--query", "a nurse", "--sae", "{p}", "--off", "1"]),
    ],
    "label log": [
        Door("export", ["labels", "export", "--log", "{p}"]),
        Door("add", ["labels", "import", "{w}/labels.json", "--log", "{p}"]),
    ],
}


# --- what is whole ----------------------------------------------------------------------------------------------


def world(folder: Path) -> None:
    """A small gallery, SAE, report, tables, pictures and labels, made by the verbs themselves."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, D)).astype(np.float32) + 0.5
    np.save(folder / "x.npy", x)
    groups = np.where(np.arange(N) % 2, "Male", "Female")
    frame = pd.DataFrame({"id": [f"i{i}" for i in range(N)], "gender": groups})
    (folder / "labels.csv").write_text(frame.to_csv(index=False))
    np.save(folder / "texts.npy", rng.normal(size=(2, D)).astype(np.float32))
    (folder / "prompts.csv").write_text("prompt\na nurse\na pilot\n")
    texts = ["--texts", str(folder / "texts.npy"), "--text-table", str(folder / "prompts.csv")]
    made([*filled(IMPORT, w=folder, out=folder / "gallery"), str(folder / "x.npy"), *texts])
    train = ["sae", "train", "--gallery", str(folder / "gallery"), "--d-sae", str(M), "--k", "4", "--steps", "20"]
    made([*train, "--half", "probe", "--out", str(folder / "sae")])
    spec = {"schema": 2, "gallery": str(folder / "gallery"), "sae": str(folder / "sae"), "k": 8}
    spec |= {"attributes": ["gender"], "prompts": ["a nurse"], "edit": {"neurons": [1]}, "title": "t"}
    (folder / "spec.json").write_text(json.dumps(spec))
    made(["audit", str(folder / "spec.json"), "--out", str(folder / "report")])
    (folder / "pictures").mkdir()
    for i in range(3):
        Image.new("RGB", (24, 24), (80 * i, 90, 120)).save(folder / "pictures" / f"{i}.png")
    event = {"neuron": 1, "rater": "ann", "sae": "a" * 64, "type": "social", "text": "x"}
    (folder / "labels.json").write_text(json.dumps({"events": [event]}))
    made(["labels", "import", str(folder / "labels.json"), "--log", str(folder / "log.db")])


def filled(command: Sequence[str], **places: Path) -> list[str]:
    return [re.sub(r"\{(\w+)\}", lambda m: str(places[m.group(1)]), part) for part in command]


def made(arguments: Sequence[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(list(arguments))
    assert code == 0, f"{' '.join(arguments)}: {err.getvalue()}"


# --- the corpus -------------------------------------------------------------------------------------------------


def corpus(folder: Path, whole: Path) -> dict[str, list[Path]]:
    """Kind of file -> the files: the given ones, where they are, and our own."""
    if MAKER.is_file():
        subprocess.run([sys.executable, str(MAKER), str(folder / "given")], check=True, capture_output=True)
    found: dict[str, list[Path]] = defaultdict(list)
    for kind in ("json", "npy", "npz", "safetensors", "table", "picture"):
        found[kind] = sorted(path for path in (folder / "given" / kind).glob("*") if path.is_file())
    found["pickle"] = [p for p in sorted((folder / "given" / "pickle").glob("*")) if p.suffix in (".pt", ".npy")]
    found["model"] = sorted(path for path in (folder / "given" / "model").glob("*") if path.is_dir())
    found["sae"] = sorted(path for path in (folder / "given" / "sae").glob("*") if path.is_dir())
    for kind, name, data in own(whole):
        path = folder / "own" / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found[kind].append(path)
    return found


def own(whole: Path) -> Iterator[tuple[str, str, bytes]]:
    """Our own files, whole, from which the seeded changes begin."""
    yield "json", "spec.json", (whole / "spec.json").read_bytes()
    yield "json", "labels.json", (whole / "labels.json").read_bytes()
    for name in ("report/report.json", "report/manifest.json", "gallery/manifest.json", "sae/config.json"):
        yield "json", name.replace("/", "-"), (whole / name).read_bytes()
    yield "json", "target.json", b'{"Female": 0.5, "Male": 0.5}'
    yield "npy", "x.npy", (whole / "x.npy").read_bytes()
    yield "npy", "query.npy", _saved(np.save, np.ones(D, np.float32))
    yield "npz", "x.npz", _saved(np.savez, embeddings=np.load(whole / "x.npy"))
    yield "npz", "lean.npz", _saved(np.savez, searched=np.array([9, 9]), retrieved=np.array([3, 1]))
    yield "npz", "evidence.npz", (whole / "report" / "evidence.npz").read_bytes()
    yield "safetensors", "weights.safetensors", (whole / "sae" / "weights.safetensors").read_bytes()
    yield "table", "labels.csv", (whole / "labels.csv").read_bytes()
    yield "table", "attributes.parquet", (whole / "gallery" / "attributes.parquet").read_bytes()
    yield "picture", "0.png", (whole / "pictures" / "0.png").read_bytes()
    yield "pickle", "plain.pt", pickle.dumps({"a": [1, 2]})
    yield "label log", "log.db", (whole / "log.db").read_bytes()
    yield "label log", "no.db", b"no database at all"


def _saved(save: Callable[..., None], *arrays: np.ndarray, **named: np.ndarray) -> bytes:
    out = io.BytesIO()
    save(out, *arrays, **named)
    return out.getvalue()


HUGE = [b"1" * 400, b"1e999", b"-1", b"4294967296", b"1000000000000000000", b"NaN", b"true", b"null", b'"x"', b"[]"]
SPICE = [
    b"\0",
    b"\xff\xfe",
    b"{",
    b"]",
    b'"',
    b",",
    b"\\u0000",
    b"\\ud800",
    b"../../etc/passwd",
    b"'" * 9,
    b"\r\n",
    b"O8",
]


def changed(data: bytes, draw: random.Random) -> bytes:
    """The bytes with one to three changes of the kind that a person makes who wants to see it break."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        at, length = draw.randrange(len(data) + 1), draw.choice((1, 2, 4, 8, 64, 512))
        what = draw.randrange(9)
        if what == 0:
            data = data[:at]
        elif what == 1:
            data = data[:at] + data[at + length :]
        elif what == 2:
            data = data[:at] + data[at : at + length] * draw.choice((2, 3, 50)) + data[at:]
        elif what == 3:
            data = data[:at] + draw.choice(SPICE) + data[at:]
        elif what == 4:
            data = data[:at] + draw.randbytes(length) + data[at + length :]
        elif what == 5 and data:
            place = draw.randrange(len(data))
            data = data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]
        elif what == 6 and (numbers := list(re.finditer(rb"\d+(?:\.\d+)?", data[:20_000]))):
            one = draw.choice(numbers)
            data = data[: one.start()] + draw.choice(HUGE) + data[one.end() :]
        elif what == 7:
            size = draw.choice((struct.pack("<Q", 1 << 62), struct.pack("<I", 0xFFFFFFF0), struct.pack("<i", -5)))
            data = data[:at] + size + data[at + len(size) :]
        elif what == 8:
            data = data[:at] + b"[" * draw.choice((80, 3000)) + data[at:]
    return data

"""`doors`: files as people have them, damaged at random and given to every door of the command line.

The first mutations give every door every one of forty files that are something else than their name says. For each
mutation: the verb ends with 0, or with 2 and one line that no library wrote; nothing lies under the final name
of what was refused; and of what came in, every row, file and picture that was given is kept or named. The mutations
run in forked children of one warm process, `real` of them through the command line itself.
`python -m tests.benchmarks doors --number 10000 --seed 1`
"""

import contextlib
import csv
import io
import json
import os
import pickle
import random
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save as safetensors_bytes

from core.cli import main

ROOT = Path(__file__).resolve().parents[2]
CHILD = 250
"""Mutations of one child."""
MEMORY = 2 << 30
"""Bytes that a child may hold at most."""
FOREIGN = re.compile(
    r"Traceback|allow_pickle|pandas|pyarrow|Arrow|numpy|torch\.(?!save)|PIL|Pickl|sqlalchemy|sqlite3|HeaderToo|<class|"
    r"object at 0x|codec can't|Expecting |invalid literal|could not convert|NoneType|KeyError|ValueError|unhashable"
)
"""What only a library says."""
N = 8
"""Rows and pictures of the files that are damaged."""


@dataclass(frozen=True)
class Door:
    """A verb and the files that it is given."""

    name: str
    files: dict[str, bytes]
    command: list[str]
    """Arguments; `{f}` is the folder of the files, `{out}` what is made."""
    given: Callable[[Path], int | None] = lambda folder: None
    """How many rows or files are given, counted by other means than the app's; None where nobody can tell."""
    spoiled: tuple[str, ...] = ()
    """The files that are damaged; all where empty."""


@dataclass
class Found:
    """What came of some mutations."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    peak: int = 0


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
    """Every way in, with whole files."""
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


def _with(command: list[str], name: str) -> list[str]:
    return [part.replace("x.npy", name) for part in command] + ["{f}/t.csv"]


# --- damage -----------------------------------------------------------------------------------------------------

TOKENS = [
    *(b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\\", b"\0", b"\xff", b"\xef\xbb\xbf", "\u200b".encode()),
    *(
        b"#N/A",
        b"NA",
        b"None",
        b"1.0",
        b",,",
        b'""',
        b"sep=;\n",
        b"=cmd()",
        b"-1",
        b"nan",
        b"inf",
        b"1e999",
        b"{",
        b"]",
    ),
    *("e\u0301".encode(), b"../../etc/passwd", b"C:\\x\\1.jpg", b"./", b"//", b"\x1a", b"\xc3\x28"),
]


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


def damaged(data: bytes, draw: random.Random, wrong: list[bytes]) -> bytes:
    """The bytes after one to three accidents."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        at = draw.randrange(len(data) + 1)
        length = draw.choice((1, 2, 7, 40, 200))
        lines = data.split(b"\n")
        what = draw.randrange(12)
        if what == 0:
            data = data[:at]
        elif what == 1:
            data = data[:at] + data[at + length :]
        elif what == 2:
            data = data[:at] + data[at : at + length] + data[at:]
        elif what in (3, 4, 5):
            data = data[:at] + draw.choice(TOKENS) + data[at:]
        elif what == 6:
            data = data[:at] + draw.randbytes(length) + data[at + length :]
        elif what == 7 and data:
            place = draw.randrange(len(data))
            data = data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]
        elif what == 8 and len(lines) > 2:
            one = draw.randrange(len(lines))
            lines.insert(draw.randrange(len(lines)), lines[one])
            data = b"\n".join(lines)
        elif what == 9 and len(lines) > 2:
            lines.pop(draw.randrange(len(lines)))
            data = b"\n".join(lines)
        elif what == 10 and len(lines) > 2:
            lines.insert(draw.randrange(1, len(lines)), lines[0])
            data = b"\n".join(lines)
        elif what == 11:
            data = draw.choice(wrong)
    return data


# --- one mutation -----------------------------------------------------------------------------------------------


def one(door: Door, number: int, seed: int, folder: Path, wrong: list[bytes], real: bool = False) -> dict[str, Any]:
    """What came of one mutation: its outcome, and the fault where there is one."""
    draw = random.Random(f"{seed} {number}")
    files, out = folder / "files", folder / "out" / "made"
    shutil.rmtree(folder, ignore_errors=True)
    out.parent.mkdir(parents=True)
    for name, data in door.files.items():
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    spoiled = draw.choice(door.spoiled or tuple(door.files))
    systematic = number < len(doors()) * len(wrong)
    data = wrong[number // len(doors())] if systematic else damaged(door.files[spoiled], draw, wrong)
    (files / spoiled).write_bytes(data)
    verb = [part.format(f=files, out=out) for part in door.command] + ["--json"]
    code, said, err = _real(verb) if real else _here(verb)
    fault = _fault(door, files, out, code, said, err)
    what = {0: "in", 2: "refused"}.get(code, f"code {code}")
    return {
        "outcome": what,
        "fault": fault,
        "door": door.name,
        "number": number,
        "file": spoiled,
        "message": err.strip(),
    }


def _here(verb: list[str]) -> tuple[int, str, str]:
    said, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(err):
        try:
            code = main(verb)
        except BaseException:
            return 1, said.getvalue(), traceback.format_exc()
    return code, said.getvalue(), err.getvalue()


def _real(verb: list[str]) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "core", *verb]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def _fault(door: Door, files: Path, out: Path, code: int, said: str, err: str) -> str | None:
    lines = [line for line in err.splitlines() if line.strip() and not line.startswith("warning:")]
    if code not in (0, 2):
        return f"trace: {err[-400:]}"
    if code == 2:
        if len(lines) != 1:
            return f"{len(lines)} lines"
        if FOREIGN.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", lines[0])):
            return "a library's words"
        if os.path.lexists(out) or list(out.parent.iterdir()):
            return "something is left under the final name or beside it"
        return None
    if any(FOREIGN.search(line) for line in lines):
        return f"a library's warning: {lines[0][:200]}"
    try:
        info = json.loads(said)
    except json.JSONDecodeError:
        return "no JSON document"
    given = door.given(files)
    if given is not None and "left_out" in info:
        pictures = sum("row is in the gallery" in lost["reason"] for lost in info["left_out"])
        if info["n"] + len(info["left_out"]) - pictures < given:
            return f"{given} were given, {info['n']} are kept and {len(info['left_out'])} named"
    return None


# --- many -------------------------------------------------------------------------------------------------------


def _child(numbers: range, seed: int, places: Sequence[Door], wrong: list[bytes], pipe: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        found = [one(places[number % len(places)], number, seed, Path(folder) / "m", wrong) for number in numbers]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with os.fdopen(pipe, "wb") as out:
        pickle.dump((found, peak), out)
    os._exit(0)


def run(number: int = 10000, seed: int = 1, n: int = 0) -> dict[str, Any]:
    """Mutations in forked children of this process, whose model and libraries are loaded once.

    Parameters
    ----------
    number : mutations in all.
    n : how many more go through the real command line, each in a process of its own.
    """
    from core.backbones import base

    torch.set_num_threads(1)  # threads of a parent do not live on in its children
    model = base.load_model("default", None, "cpu")
    model.encode_texts(["a doctor"])
    places, wrong, found = doors(), list(wrong_files().values()), Found()
    _here(["--help"])
    with mock.patch.object(base, "load_model", return_value=model):
        for start in range(0, number, CHILD):
            numbers = range(start, min(start + CHILD, number))
            read, write = os.pipe()
            child = os.fork()
            if not child:
                os.close(read)
                _child(numbers, seed, places, wrong, write)
            os.close(write)
            with os.fdopen(read, "rb") as pipe:
                data = pipe.read()
            os.waitpid(child, 0)
            if not data:
                found.faults.append({"fault": "the process died", "numbers": [numbers.start, numbers.stop]})
                continue
            results, peak = pickle.loads(data)
            found.peak = max(found.peak, peak)
            for result in results:
                _count(found, result)
    with tempfile.TemporaryDirectory() as folder:
        for one_more in range(n):
            door = places[one_more % len(places)]
            _count(found, one(door, number + one_more, seed, Path(folder) / "m", wrong, real=True))
    return {
        "mutations": number,
        "through_the_command_line": n,
        "doors": len(places),
        "seed": seed,
        "outcomes": dict(found.outcomes),
        "traces": sum(str(fault["fault"]).startswith("trace") for fault in found.faults),
        "faults": len(found.faults),
        "peak_bytes": found.peak,
        "peak_below_2_gb": found.peak < MEMORY,
        "first_faults": found.faults[:20],
        "messages": [message for message, _ in found.messages.most_common(40)],
    }


def _count(found: Found, result: dict[str, Any]) -> None:
    found.outcomes[result["outcome"]] += 1
    if result["outcome"] == "refused":
        found.messages[re.sub(r"\S*/files/", "", result["message"])[:160]] += 1
    if result["fault"] is not None:
        found.faults.append(result)

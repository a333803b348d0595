"""Reading a gallery: opened by its manifest alone, everything else is mapped or read when it is asked for."""

import copy
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sparse

from core.config import (
    ASSETS,
    ATTACHES,
    HALVES,
    UNKNOWN,
    Attach,
    Fingerprint,
    Half,
    InputError,
    Side,
    digest_of,
    one_of,
)
from core.datasets.tables import RESERVED
from core.gallery.codes import Codes, check_codes, open_codes, write_codes
from core.gallery.units import unit_rows
from core.readout import ReadoutArrays
from core.store import PackedBlobs, file_digest, read_json

Progress = Callable[[int, int, str], None]
T = TypeVar("T")

SCHEMA = 1
SHIPPED = ("default", "default-probe", "default-attire", "default-captions")
IDENTITY = ("attributes.parquet", "pooled.npy", "residual.npy", "readout.npz", "prompts.parquet", "prompts.npy")
"""The files whose contents make a gallery what it is; pictures and codes are not among them."""

UNIT_BYTES = 4 << 30
"""Unit rows are kept between searches up to this size (1 million x 1,024); beyond it they are made each time."""


def open_gallery(name_or_path: str | Path) -> "Gallery":
    """A shipped gallery by its name, or any gallery by its folder, without reading its embeddings.

    Manifest, sizes and shapes are checked (fast, whatever the size); contents are compared by `Gallery.check`.

    Raises
    ------
    InputError
        no gallery there, or files missing, cut or not fitting together; names the file.
    """
    shipped = str(name_or_path) in SHIPPED
    path = ASSETS / "galleries" / str(name_or_path) if shipped else Path(name_or_path)
    if not (path / "manifest.json").is_file():
        raise InputError(
            f"{name_or_path} is no gallery (no manifest.json); give a gallery folder or {', '.join(SHIPPED)}"
        )
    return Gallery(path)


def parse_where(conditions: Iterable[str]) -> dict[str, str]:
    """{"race": "White"} from ["race=White"]; InputError for what has no "=" and for a column named twice."""
    where: dict[str, str] = {}
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals or not column.strip():
            raise InputError(f"the condition {condition!r} has no column and value; expected COLUMN=VALUE")
        if column.strip() in where:
            raise InputError(f"the column {column.strip()!r} is restricted twice; give one value for it")
        where[column.strip()] = value.strip()
    return where


class Gallery:
    """Items (images or captions), their embeddings and their attributes, on disk.

    Read-only and safe to share between threads and sessions: what is cached is computed once under a lock, arrays
    are handed out read-only, frames and dictionaries as copies.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._manifest = read_json(self.path / "manifest.json")
        self._lock = threading.RLock()
        self._cache: dict[Any, Any] = {}
        try:
            self._check_fast()
        except KeyError as error:
            raise InputError(
                f"{self.path / 'manifest.json'} lacks {error}; build or import the gallery again"
            ) from None

    # --- what it is ---------------------------------------------------------------------------------------------

    @property
    def manifest(self) -> dict[str, Any]:
        return copy.deepcopy(self._manifest)

    @property
    def name(self) -> str:
        return self._manifest["name"]

    @property
    def kind(self) -> str:
        """ "images" or "captions"."""
        return self._manifest["kind"]

    @property
    def side(self) -> Side:
        """The model's tower that embedded the items."""
        return "image" if self.kind == "images" else "text"

    @property
    def n(self) -> int:
        """Number of items."""
        return self._manifest["n"]

    @cached_property
    def digest(self) -> str:
        """What the gallery is, as one number: SHA-256 over the digests of its identity files (see IDENTITY).

        Galleries with equal items, attributes, halves and embeddings have equal digests, wherever and whenever they
        were made.
        """
        files = self._manifest["files"]
        return digest_of({name: files[name]["sha256"] for name in IDENTITY if name in files})

    @cached_property
    def attributes(self) -> list[str]:
        """Names of the attribute columns."""
        return [name for name in self._schema.names if name not in RESERVED]

    def fingerprint(self, attach: Attach = "pooled") -> Fingerprint:
        """The model, place and treatment that the embeddings of `attach` came from."""
        self._require(attach)
        return Fingerprint.from_json(self._manifest["fingerprints"][attach])

    def info(self) -> dict[str, Any]:
        """What to know before any metric: counts, groups with unknowns, halves, fingerprints, provenance."""
        manifest = self._manifest
        said = ("schema", "name", "kind", "n", "licence", "provenance", "source", "split", "created_at", "software")
        return {
            **{key: manifest.get(key) for key in said},
            "digest": self.digest,
            "attributes": {name: self.group_counts(name) for name in self.attributes},
            "halves": {half: int((self._half == half).sum()) for half in ("probe", "evaluation")},
            "fingerprints": copy.deepcopy(manifest["fingerprints"]),
            "prompts": len(self.prompts),
            "notes": list(manifest.get("notes", [])),
            "problems": manifest.get("problem_count", 0),
        }

    # --- items --------------------------------------------------------------------------------------------------

    @property
    def table(self) -> pd.DataFrame:
        """One row an item: id, file, text, half, then the attributes; NA is unknown."""
        return self._once("table", lambda: self._read(self._schema.names).to_pandas()).copy(deep=False)

    def item_id(self, i: int) -> str:
        return self._column("id")[int(i)].as_py()

    def item_ids(self, rows: np.ndarray) -> list[str]:
        """The ids of several rows at once."""
        return self._column("id").take(pa.array(np.asarray(rows, dtype=np.int64))).to_pylist()

    def text(self, i: int) -> str:
        """The caption of item i; "" for an image."""
        return (self._column("text")[int(i)].as_py() or "") if "text" in self._schema.names else ""

    def thumb(self, i: int) -> bytes:
        """A small JPEG of item i; b"" where there is none."""
        thumbs = self._once("thumbs", lambda: PackedBlobs.open(self.path, "thumbs") if self.has_thumbs else None)
        return thumbs[int(i)] if thumbs is not None else b""

    @property
    def has_thumbs(self) -> bool:
        return "thumbs.bin" in self._manifest["files"]

    # --- groups -------------------------------------------------------------------------------------------------

    def labels(self, attribute: str) -> np.ndarray:
        """The group of every item (n,), dtype object; None where it is unknown."""
        return self._once(("labels", attribute), lambda: self._labels(attribute))

    def groups(self, attribute: str) -> list[str]:
        """The known groups of an attribute, sorted."""
        return list(self._numbered(attribute)[0])

    def group_numbers(self, attribute: str) -> np.ndarray:
        """The group of every item as its place in `groups(attribute)`, int32 (n,); -1 where it is unknown."""
        return self._numbered(attribute)[1]

    def group_counts(self, attribute: str, rows: np.ndarray | None = None) -> dict[str, int]:
        """Number of items of each group, all groups of the gallery and "unknown" included, also where they are 0."""
        groups, numbers = self._numbered(attribute)
        numbers = numbers if rows is None else numbers[rows]
        counts = np.bincount(numbers + 1, minlength=len(groups) + 1)
        return {**{group: int(count) for group, count in zip(groups, counts[1:], strict=True)}, UNKNOWN: int(counts[0])}

    def rows(self, half: Half = "all", where: Mapping[str, str] | None = None) -> np.ndarray:
        """Row numbers (int64, rising) of a half, restricted to the items of the given groups.

        `where` = {"race": "White"} keeps the items that are White; the value "unknown" keeps those without a label.

        Raises
        ------
        InputError
            a half, column or value that the gallery does not have (lists those it has), or no item left.
        """
        one_of(half, HALVES, "half")
        keep = np.ones(self.n, dtype=bool) if half == "all" else self._half == half
        if not keep.any():
            raise InputError(self._no_half(half))
        for attribute, value in (where or {}).items():
            groups, numbers = self._numbered(attribute)
            if value not in (*groups, UNKNOWN):
                raise InputError(f"{attribute} has no group {value!r}; known: {', '.join([*groups[:30], UNKNOWN])}")
            keep = keep & (numbers == (groups.index(value) if value != UNKNOWN else -1))
        rows = np.flatnonzero(keep)
        if not len(rows):
            asked = ", ".join(f"{column}={value}" for column, value in (where or {}).items())
            raise InputError(f"gallery {self.name} has no item with {asked} in half {half!r}; loosen the restriction")
        return rows

    # --- embeddings and codes -----------------------------------------------------------------------------------

    def has(self, attach: Attach) -> bool:
        one_of(attach, ATTACHES, "attach point")
        return f"{attach}.npy" in self._manifest["files"]

    def embeddings(self, attach: Attach = "pooled") -> np.ndarray:
        """Embeddings (n, d) as they were stored, memory-mapped, read-only."""
        self._require(attach)
        return self._once(attach, lambda: self._map(f"{attach}.npy"))

    def unit(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Pooled embeddings divided by their length, float32 (n, d), read-only."""
        pooled = self.embeddings("pooled")
        if pooled.size * 4 > UNIT_BYTES:
            unit = unit_rows(pooled if rows is None else pooled[rows])
            unit.setflags(write=False)
            return unit
        whole = self._once("unit", lambda: unit_rows(pooled))
        return whole if rows is None else whole[rows]

    def readout(self) -> ReadoutArrays | None:
        """The map from residual to pooled embeddings; None where the gallery has no residuals."""
        if "readout.npz" not in self._manifest["files"]:
            return None
        return self._once("readout", lambda: ReadoutArrays.load(self.path / "readout.npz"))

    def codes(self, sae_digest: str) -> Codes | None:
        """Stored codes of the SAE with this digest, memory-mapped; None where there are none."""
        found = self._cache.get(("codes", sae_digest))
        if found is None:
            with self._lock:
                found = open_codes(self.path, sae_digest, self.n)
                if found is not None:
                    self._cache["codes", sae_digest] = found
        return found

    def write_codes(self, sae_digest: str, csr: sparse.csr_matrix) -> Codes:
        """Store the codes (n, d_sae) of an SAE in the gallery's folder and open them."""
        if csr.shape[0] != self.n:
            raise InputError(f"codes of {csr.shape[0]} rows were given for the {self.n} items of gallery {self.name}")
        with self._lock:
            write_codes(self.path, sae_digest, csr)
            self._cache["codes", sae_digest] = written = open_codes(self.path, sae_digest, self.n)
        return written

    # --- known prompts ------------------------------------------------------------------------------------------

    @property
    def prompts(self) -> list[str]:
        """Prompts whose embeddings came with the gallery, for models that are not at hand."""
        return list(self._prompt_rows)

    @property
    def prompt_table(self) -> pd.DataFrame:
        """The table that came with the known prompts (column `prompt` and whatever else it had)."""
        if "prompts.parquet" not in self._manifest["files"]:
            return pd.DataFrame({"prompt": pd.Series(dtype="str")})
        read = self._once("prompts", lambda: pq.read_table(self.path / "prompts.parquet").to_pandas())
        return read.copy(deep=False)

    def prompt_embedding(self, text: str) -> np.ndarray | None:
        """The stored text embedding (d,) of a known prompt, float32; None where the prompt is not known."""
        row = self._prompt_rows.get(text)
        if row is None:
            return None
        return np.array(self._once("prompts.npy", lambda: self._map("prompts.npy"))[row], dtype=np.float32)

    # --- checks -------------------------------------------------------------------------------------------------

    def check(self, progress: Progress | None = None) -> list[str]:
        """Compare every file with its digest; one line for each that differs, an empty list where all is well."""
        wrong, files = [], self._manifest["files"]
        for done, (name, said) in enumerate(sorted(files.items())):
            if progress:
                progress(done, len(files), name)
            path = self.path / name
            if not path.is_file():
                wrong.append(f"{name} is missing")
            elif file_digest(path) != said["sha256"]:
                wrong.append(f"{name} was changed after it was written")
        wrong += check_codes(self.path)
        if progress:
            progress(len(files), len(files), "done")
        return wrong

    def _check_fast(self) -> None:
        """InputError unless the manifest is whole and its files have the sizes and shapes that it says."""
        manifest, where = self._manifest, self.path
        if manifest["schema"] != SCHEMA:
            raise InputError(f"{where} has schema {manifest['schema']}; this version reads schema {SCHEMA}")
        for name in ("name", "kind", "n", "fingerprints", "split"):
            manifest[name]
        for name, said in manifest["files"].items():
            path = where / name
            size = path.stat().st_size if path.is_file() else None
            if size != said["bytes"]:
                got = "is missing" if size is None else f"has {size} bytes"
                raise InputError(f"{path} {got}; the manifest says {said['bytes']} bytes: copy or make it again")
        items = pq.read_metadata(where / "attributes.parquet").num_rows
        if items != self.n:
            raise InputError(f"{where / 'attributes.parquet'} has {items} rows; the manifest says {self.n}")
        for attach, said in manifest["fingerprints"].items():
            shape = self._map(f"{attach}.npy").shape
            if shape != (self.n, said["d"]):
                raise InputError(f"{where / attach}.npy has shape {shape}; the manifest says {(self.n, said['d'])}")

    # --- private ------------------------------------------------------------------------------------------------

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        """`make()`, once for all threads; arrays become read-only."""
        with self._lock:
            if key not in self._cache:
                made = make()
                if isinstance(made, np.ndarray):
                    made.setflags(write=False)
                self._cache[key] = made
            return self._cache[key]

    def _map(self, name: str) -> np.ndarray:
        try:
            return np.load(self.path / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self.path / name} cannot be read as an array ({error}); make it again") from None

    @cached_property
    def _schema(self) -> pa.Schema:
        return pq.read_schema(self.path / "attributes.parquet")

    def _read(self, columns: list[str]) -> pa.Table:
        return pq.read_table(self.path / "attributes.parquet", columns=columns)

    def _column(self, name: str) -> pa.Array:
        return self._once(("column", name), lambda: self._read([name])[name].combine_chunks())

    @property
    def _half(self) -> np.ndarray:
        return self._once("half", lambda: self._column("half").to_numpy(zero_copy_only=False))

    def _numbered(self, attribute: str) -> tuple[list[str], np.ndarray]:
        """Sorted groups of an attribute, and each item's place among them (-1 unknown)."""
        if attribute not in self.attributes:
            known = ", ".join(self.attributes) or "none"
            raise InputError(f"gallery {self.name} has no attribute {attribute!r}; known: {known}")
        return self._once(("groups", attribute), lambda: self._number(attribute))

    def _number(self, attribute: str) -> tuple[list[str], np.ndarray]:
        column = self._column(attribute)
        groups = sorted(pc.unique(column.drop_null()).to_pylist())
        place = pc.index_in(column, value_set=pa.array(groups, column.type))
        numbers = place.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        numbers.setflags(write=False)
        return groups, numbers

    def _labels(self, attribute: str) -> np.ndarray:
        groups, numbers = self._numbered(attribute)
        return np.array([*groups, None], dtype=object)[numbers]  # -1 is the last: None

    def _no_half(self, half: str) -> str:
        whole = self._manifest["split"].get("whole")
        partner = self._manifest.get("probe_gallery")
        hint = f"its probe set is the gallery {partner!r}" if partner else "use half 'all' or another gallery"
        return f"gallery {self.name} has no {half} half: it is wholly the {whole} set; {hint}"

    def _require(self, attach: Attach) -> None:
        if not self.has(attach):
            there = ", ".join(a for a in ATTACHES if self.has(a))
            raise InputError(
                f"gallery {self.name} has no {attach} embeddings, only {there}; build it with {attach} too"
            )

    @cached_property
    def _prompt_rows(self) -> dict[str, int]:
        return {prompt: row for row, prompt in enumerate(self.prompt_table["prompt"])}

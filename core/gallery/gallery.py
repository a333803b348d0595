"""Reading a gallery: opened by its manifest alone, everything else is mapped or read when it is asked for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core import access
from core.config import (
    ASSETS,
    ATTACHES,
    HALVES,
    Attach,
    Fingerprint,
    Half,
    InputError,
    Progress,
    Side,
    digest_of,
    one_of,
)
from core.gallery.checking import changed_files, check_sizes
from core.gallery.labels import Labels, whole_parquet
from core.memo import Memo
from core.reading import map_array
from core.readout import ReadoutArrays
from core.store import PackedBlobs, read_json
from core.tables import LeftOut, left_out_of
from core.units import unit_rows

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sparse

    from core.gallery.codes import Codes
    from core.retrieval.sums import GallerySums

SHIPPED = ("default", "default-probe", "default-attire", "default-captions")
IDENTITY = (
    "attributes.parquet",
    "pooled.npy",
    "residual.npy",
    "tokens.npy",
    "readout.npz",
    "prompts.parquet",
    "prompts.npy",
)
"""The files whose contents make a gallery what it is; pictures and codes are not among them."""

UNIT_BYTES = 1 << 27
"""Unit rows are kept between searches up to this size (65,000 x 512); beyond it they are made each time."""


def open_gallery(name_or_path: str | Path) -> Gallery:
    """A shipped gallery by its name, one of a team server by the name that its roots give, or any by its folder.

    Embeddings are not read. Manifest, sizes and shapes are checked (fast, whatever the size); contents are compared by
    `Gallery.check`.

    Raises
    ------
    InputError
        no gallery there, or files missing, cut or not fitting together; names the file.
    """
    shipped = str(name_or_path) in SHIPPED
    named = access.folder_named("galleries", name_or_path) or Path(name_or_path)
    path = ASSETS / "galleries" / str(name_or_path) if shipped else named
    access.require_folder(path)
    if not (path / "manifest.json").is_file():
        raise InputError(
            f"{name_or_path} is no gallery (no manifest.json); give a gallery folder or {', '.join(SHIPPED)}"
        )
    return Gallery(path)


class Gallery:
    """Items (images or captions), their embeddings and their attributes, on disk.

    Read-only and safe to share between threads and sessions: what is cached is computed once under a lock, arrays
    are handed out read-only, frames and dictionaries as copies.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._manifest = read_json(self.path / "manifest.json")
        self._made = Memo()
        try:
            check_sizes(self.path, self._manifest)
            self._labels = Labels(
                self.path / "attributes.parquet", f"gallery {self.name}", self.together, self.not_groups
            )
            self._check_shapes()
        except (KeyError, TypeError, AttributeError) as error:
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
    def kind(self) -> Literal["images", "captions"]:
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

    @property
    def attributes(self) -> list[str]:
        """Names of the attribute columns."""
        return list(self._labels.attributes)

    @property
    def not_groups(self) -> dict[str, str]:
        """Columns of the table that are no attributes (names, texts, numbers), and why."""
        return dict(self._manifest.get("not_groups", {}))

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was given and is not in the gallery, by name; of older galleries what they list."""
        listed = self._manifest.get("left_out")
        if listed is None:
            return tuple(LeftOut.of(line.split(" ")[0], line) for line in self._manifest.get("problems", []))
        return left_out_of(listed)

    @property
    def together(self) -> str | None:
        """Column by which items belong together (a scene, a person) and stay in one half; None where there is none."""
        return (self._manifest["split"].get("together") or {}).get("column")

    def clusters(self) -> np.ndarray | None:
        """Cluster number of every item, int64 (n,) from 0: equal where the column `together` is; None without one.

        An item without a value there has a number of its own.
        """
        clusters = self._labels.clusters()
        return None if clusters is None else clusters.numbers

    def fingerprint(self, attach: Attach = "pooled") -> Fingerprint:
        """The model, place and treatment that the embeddings of `attach` came from."""
        self._require(attach)
        return Fingerprint.from_json(self._manifest["fingerprints"][attach])

    def info(self) -> dict[str, Any]:
        """What to know before any metric: counts, groups with unknowns, halves, fingerprints, provenance."""
        keys = ("schema", "name", "kind", "n", "licence", "provenance", "source", "split", "created_at", "software")
        halves = self._labels.halves()
        return {
            **{key: self.manifest.get(key) for key in keys},
            "digest": self.digest,
            "attributes": {name: self.group_counts(name) for name in self.attributes},
            "halves": {half: int((halves == half).sum()) for half in ("probe", "evaluation")},
            "fingerprints": self.manifest["fingerprints"],
            "prompts": len(self.prompts),
            "notes": self.manifest.get("notes", []),
            "problems": len(self.left_out),
            "left_out": [one.to_json() for one in self.left_out],
            "not_groups": self.not_groups,
        }

    # --- items --------------------------------------------------------------------------------------------------

    @property
    def table(self) -> pd.DataFrame:
        """One row an item: id, file, text, half, then the attributes; NA is unknown."""
        return self._labels.table

    def item_id(self, i: int) -> str:
        return self._ids()[int(i)].as_py()

    def item_ids(self, rows: np.ndarray | Sequence[int]) -> list[str]:
        """The ids of several rows at once."""
        places = np.ascontiguousarray(rows, dtype=np.int64)
        # by its buffer, for `pa.array` imports pandas to look at an array
        taken = self._ids().take(pa.Array.from_buffers(pa.int64(), len(places), [None, pa.py_buffer(places)]))
        return taken.to_pylist()

    def _ids(self) -> pa.Array:
        ids = self._labels.column("id")
        assert ids is not None, "every gallery has ids"
        return ids

    def text(self, i: int) -> str:
        """The caption of item i; "" for an image."""
        texts = self._labels.column("text")
        return (texts[int(i)].as_py() or "") if texts is not None else ""

    def thumb(self, i: int) -> bytes:
        """A small JPEG of item i; b"" where there is none."""
        return self._made("thumbs", lambda: PackedBlobs.open(self.path, "thumbs"))[int(i)] if self.has_thumbs else b""

    @property
    def has_thumbs(self) -> bool:
        return self._has_file("thumbs.bin")

    # --- groups -------------------------------------------------------------------------------------------------

    def labels(self, attribute: str) -> np.ndarray:
        """The group of every item (n,), dtype object; None where it is unknown."""
        return self._labels.labels(attribute)

    def groups(self, attribute: str) -> list[str]:
        """The known groups of an attribute or an intersection, in their natural order: 0-2, 3-9, 10-19."""
        return list(self._labels.numbered(attribute)[0])

    def components(self, attribute: str) -> list[str]:
        """The columns behind an attribute: itself, or those that an intersection ("gender x race") crosses."""
        return self._labels.components(attribute)

    def empty_cells(self, attribute: str) -> list[str]:
        """Combinations of an intersection that no item has; none for an attribute of its own."""
        return self._labels.empty_cells(attribute)

    def group_numbers(self, attribute: str) -> np.ndarray:
        """The group of every item as its place in `groups(attribute)`, int32 (n,); -1 where it is unknown."""
        return self._labels.numbered(attribute)[1]

    def group_counts(self, attribute: str, rows: np.ndarray | None = None) -> dict[str, int]:
        """Number of items of each group, all groups of the gallery and "unknown" included, also where they are 0."""
        return self._labels.counts(attribute, rows)

    def rows(self, half: Half = "all", where: Mapping[str, str] | None = None) -> np.ndarray:
        """Row numbers (int64, rising) of a half, restricted to the items of the given groups.

        `where` = {"race": "White"} keeps the items that are White; the value "unknown" keeps those without a label.

        Raises
        ------
        InputError
            a half, column or value that the gallery does not have (lists those it has), or no item left.
        """
        one_of(half, HALVES, "half")
        keep = self._labels.matching(where or {})
        if half != "all":
            inside = self._labels.halves() == half
            if not inside.any():
                raise InputError(self._no_half(half))
            keep &= inside
        rows = np.flatnonzero(keep)
        if not len(rows):
            asked = ", ".join(f"{column}={value}" for column, value in (where or {}).items())
            raise InputError(f"gallery {self.name} has no item with {asked} in half {half!r}; loosen the restriction")
        return rows

    def _no_half(self, half: str) -> str:
        whole, partner = self._manifest["split"].get("whole"), self._manifest.get("probe_gallery")
        if whole is None:
            return f"gallery {self.name} is too small to have a {half} half; use half 'all' or a larger gallery"
        partner = partner if half == "probe" else None
        hint = f"its probe set is the gallery {partner!r}" if partner else "use half 'all' or another gallery"
        return f"gallery {self.name} has no {half} half: it is wholly the {whole} set; {hint}"

    # --- embeddings and codes -----------------------------------------------------------------------------------

    def has(self, attach: Attach) -> bool:
        one_of(attach, ATTACHES, "attach point")
        return self._has_file(f"{attach}.npy")

    def embeddings(self, attach: Attach = "pooled") -> np.ndarray:
        """Embeddings (n, d) as they were stored, memory-mapped, read-only."""
        self._require(attach)
        return self._made(attach, lambda: self._map(f"{attach}.npy"))

    @property
    def has_tokens(self) -> bool:
        """Whether random tokens of each item are kept, for training on tokens."""
        return self._has_file("tokens.npy")

    def tokens(self) -> np.ndarray:
        """Random tokens after the last block (n * per_item, d_model), item after item, memory-mapped, read-only."""
        each = self.token_settings()["per_item"]
        kept = self._made("tokens", lambda: self._map("tokens.npy"))
        return kept.reshape(self.n * each, -1)

    def token_settings(self) -> dict[str, int]:
        """`per_item` and `seed` of the tokens; InputError where none are kept."""
        if not self.has_tokens:
            raise InputError(
                f"gallery {self.name} keeps no tokens; build it with --tokens 2, or train on its residuals"
            )
        return dict(self._manifest["tokens"])

    def unit(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Pooled embeddings divided by their length, float32 (n, d); do not write into it, it may be shared."""
        pooled = self.embeddings("pooled")
        few = rows is not None and len(rows) < self.n // 10 and "unit" not in self._made
        if few or pooled.size * 4 > UNIT_BYTES:
            return unit_rows(pooled if rows is None else pooled[rows])
        whole = self._made("unit", lambda: unit_rows(pooled))
        return whole if rows is None else whole[rows]

    def readout(self) -> ReadoutArrays | None:
        """The map from residual to pooled embeddings; None where the gallery has no residuals."""
        if not self._has_file("readout.npz"):
            return None
        return self._made("readout", lambda: ReadoutArrays.load(self.path / "readout.npz"))

    def codes(self, sae_digest: str) -> Codes | None:
        """Stored codes of the SAE with this digest, memory-mapped; None where there are none."""
        from core.gallery.codes import open_codes

        key = ("codes", sae_digest)
        codes = self._made(key, lambda: open_codes(self.path, sae_digest, self.n))
        if codes is None:
            self._made.forget(key)  # they may be written by then
        return codes

    def write_codes(
        self,
        sae_digest: str,
        codes: sparse.csr_matrix | Iterable[sparse.csr_matrix],
        d_sae: int | None = None,
        progress: Progress | None = None,
        summed: Callable[[Codes], GallerySums] | None = None,
    ) -> Codes:
        """Store the codes (n, d_sae) of an SAE in the gallery's folder and open them.

        They come as one matrix, or as blocks of consecutive rows that need not fit in memory together, with d_sae.
        What `summed` makes of the stored codes is kept with them.
        """
        import scipy.sparse as sparse

        from core.gallery.codes import write_codes

        if d_sae is None:
            matrix = sparse.csr_matrix(codes)
            rows, d_sae = matrix.shape
            if rows != self.n:
                raise InputError(f"codes of {rows} rows were given for the {self.n} items of gallery {self.name}")
            codes = [matrix]
        write_codes(self.path, sae_digest, codes, (self.n, d_sae), progress, summed)
        self._made.forget(("codes", sae_digest))
        written = self.codes(sae_digest)
        assert written is not None, "codes were written and are not there"
        return written

    # --- known prompts ------------------------------------------------------------------------------------------

    @property
    def prompts(self) -> list[str]:
        """Prompts whose embeddings came with the gallery, for models that are not at hand."""
        return list(self._prompt_rows)

    @property
    def prompt_table(self) -> pd.DataFrame:
        """The table that came with the known prompts (column `prompt` and whatever else it had)."""
        if not self._has_file("prompts.parquet"):
            import pandas as pd

            return pd.DataFrame({"prompt": pd.Series(dtype="str")})
        path = self.path / "prompts.parquet"
        with whole_parquet(path):
            return self._made("prompts", lambda: pq.read_table(path).to_pandas()).copy(deep=False)

    def prompt_embedding(self, text: str) -> np.ndarray | None:
        """The stored text embedding (d,) of a known prompt, float32; None where the prompt is not known."""
        row = self._prompt_rows.get(text)
        if row is None:
            return None
        return np.array(self._made("prompts.npy", lambda: self._map("prompts.npy"))[row], dtype=np.float32)

    @cached_property
    def _prompt_rows(self) -> dict[str, int]:
        if not self._has_file("prompts.parquet"):
            return {}
        with whole_parquet(self.path / "prompts.parquet"):
            read = pq.ParquetFile(self.path / "prompts.parquet").read(columns=["prompt"])
        return {prompt: row for row, prompt in enumerate(read["prompt"].to_pylist())}

    # --- checks -------------------------------------------------------------------------------------------------

    def check(self, progress: Progress | None = None) -> list[str]:
        """Compare every file with its digest; one line for each that differs, an empty list where all is well."""
        return changed_files(self.path, self._manifest["files"], progress)

    def _check_shapes(self) -> None:
        """InputError unless table and arrays have the shapes that the manifest says."""
        if self._labels.n != self.n:
            raise InputError(
                f"{self.path / 'attributes.parquet'} has {self._labels.n} rows; the manifest says {self.n}"
            )
        widths = {f"{attach}.npy": about["d"] for attach, about in self._manifest["fingerprints"].items()}
        if self.has_tokens:
            widths["tokens.npy"] = self.token_settings()["per_item"] * self._manifest["fingerprints"]["residual"]["d"]
        for name, width in widths.items():
            shape = self._map(name).shape
            if shape != (self.n, width):
                raise InputError(f"{self.path / name} has shape {shape}; the manifest says {(self.n, width)}")

    # --- private ------------------------------------------------------------------------------------------------

    def _has_file(self, name: str) -> bool:
        return name in self._manifest["files"]

    def _map(self, name: str) -> np.ndarray:
        return map_array(self.path / name, "an array of the gallery; make it again")

    def _require(self, attach: Attach) -> None:
        if not self.has(attach):
            there = ", ".join(a for a in ATTACHES if self.has(a))
            raise InputError(
                f"gallery {self.name} has no {attach} embeddings, only {there}; build it with {attach} too"
            )

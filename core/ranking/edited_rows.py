"""Items of a large gallery after a method that moves all of them: worked out block by block when they are read."""

from typing import Any

import numpy as np

from core.config import Edit, Progress
from core.interventions import INTERVENTIONS, Material
from core.ranking.items import Items, items_of, refuse_infinite
from core.retrieval import Index, StoredIndex, passes


class EditedRows:
    """Pooled embeddings (n, d) after an intervention, to be read like a stored array; memory holds what is read.

    A method's answer for a row depends on that row alone, so that blocks give what all rows at once would.
    """

    nbytes = 0

    def __init__(self, material: Material, rows: np.ndarray | None, method: str, edit: Edit, fitted: Any) -> None:
        self.material, self._rows = material, rows
        self._method, self._edit, self._fitted = INTERVENTIONS.get(method)(), edit, fitted
        self.dtype = np.result_type(material.pooled.dtype, np.float32)
        self.shape = (len(material.pooled) if rows is None else len(rows), material.pooled.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | np.ndarray) -> np.ndarray:
        return self.pair(at)[1]

    def pair(self, at: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some rows as they are stored and as the method leaves them."""
        few = self.material.at(at if self._rows is None else self._rows[at])
        with np.errstate(over="ignore", invalid="ignore"):  # said in words
            edited = self._method(few, self._edit, self._fitted)
        refuse_infinite(edited, self._edit)
        return few.stored(), edited


def large_items(rows: EditedRows, baseline: Index, digest: str, progress: Progress | None = None) -> Items:
    """The items after the method: one pass says which it moves and how far; every search is one more.

    Parameters
    ----------
    baseline : the same items unedited.
    """
    n = len(rows)
    lengths, cosines = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
    changed, gone = np.empty(n, dtype=bool), np.empty(n, dtype=bool)

    def work(at: slice) -> None:
        stored, edited = rows.pair(at)
        changed[at] = (edited != stored).any(axis=1)
        lengths[at] = np.sqrt(np.einsum("ij,ij->i", edited, edited))
        before = np.sqrt(np.einsum("ij,ij->i", stored, stored))
        lost = lengths[at] == 0.0
        lengths[at][lost] = 1.0
        cosines[at] = np.einsum("ij,ij->i", stored, edited) / (lengths[at] * before)
        gone[at] = lost

    passes(rows, work, progress, "changing every item")
    moved = np.flatnonzero(changed)
    if not len(moved):
        return Items(baseline, moved, np.zeros(0), digest)
    return items_of(StoredIndex(rows, lengths), moved, cosines[moved], digest, np.flatnonzero(gone))

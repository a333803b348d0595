"""The live engine's sums on a GPU, through torch: products with all rows, sums over codes, and the first k."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from core.retrieval.flat import best_rows
from core.retrieval.host import Host
from core.retrieval.products import Rows
from core.retrieval.switched import Column, Start

BLOCK_BYTES = 1 << 28
"""Rows multiplied at a time, in the precision of the sums."""


class Device(Host):
    """Row numbers as tensors of one device; embeddings are copied there once.

    The formulas are those of the engine; a search scores every row, which costs a GPU less than choosing some.
    """

    by_leaders = False

    def __init__(self, device: str | torch.device) -> None:
        self.device = torch.device(device)

    def rows(self, x: Rows) -> torch.Tensor:
        tensor = torch.empty(x.shape, dtype=_dtype(x.dtype), device=self.device)
        step = max(1, BLOCK_BYTES // (x.shape[1] * x.dtype.itemsize))
        for start in range(0, len(x), step):
            tensor[start : start + step] = torch.from_numpy(np.array(x[start : start + step]))
        return tensor

    def put(self, numbers: Any) -> torch.Tensor:
        if isinstance(numbers, torch.Tensor):
            return numbers
        return torch.from_numpy(np.array(numbers)).to(self.device)

    def get(self, numbers: Any) -> np.ndarray:
        return numbers.cpu().numpy() if isinstance(numbers, torch.Tensor) else numbers

    def exact(self, numbers: Any, of: slice | torch.Tensor = slice(None)) -> torch.Tensor:
        return self.put(numbers)[..., of].to(torch.float64, copy=isinstance(of, slice))

    def narrowed(self, numbers: torch.Tensor, dtype: np.dtype) -> torch.Tensor:
        return numbers.to(_dtype(dtype))

    def times(self, x: torch.Tensor, vectors: np.ndarray, rows: torch.Tensor | None = None) -> torch.Tensor:
        dtype = x.dtype if x.dtype == torch.float64 else torch.float32
        turned = self.put(vectors).to(dtype).T
        n = len(x) if rows is None else len(rows)
        products = torch.empty((turned.shape[1], n), dtype=dtype, device=self.device)
        step = max(1, BLOCK_BYTES // (x.shape[1] * dtype.itemsize))
        for start in range(0, n, step):
            at = slice(start, start + step)
            products[:, at] = (x[at if rows is None else rows[at]].to(dtype) @ turned).T
        return products

    def row_set(self, rows: torch.Tensor, n: int) -> None:
        return None

    def switched(self, columns: Sequence[Column], n: int) -> "DeviceSwitched":
        return DeviceSwitched(columns, n, self)

    def best_rows(self, scores: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows with the k largest scores, best first, equal ones in rising order of row; and these scores."""
        least = torch.topk(scores, k).values[-1]
        near = torch.nonzero(scores >= least).ravel()  # rising, with everything that ties with the k-th
        rows, values = self.get(near), self.get(scores[near])
        first = best_rows(values, k)
        return rows[first], values[first]


class DeviceSwitched:
    """`Switched` with tensors: the codes as a dense matrix (m, S), which a GPU multiplies faster than it skips."""

    def __init__(self, columns: Sequence[Column], n: int, on: Device) -> None:
        self._on = on
        self._fires = torch.zeros(n, dtype=torch.bool, device=on.device)
        for column in columns:
            self._fires[column.rows] = True
        self.rows = torch.nonzero(self._fires).ravel()
        self.count = len(self.rows)
        self._place = torch.zeros(n, dtype=torch.int64, device=on.device)
        self._place[self.rows] = torch.arange(len(self.rows), device=on.device)
        self._columns = columns
        self.codes = torch.zeros((len(self.rows), len(columns)), dtype=torch.float64, device=on.device)
        for j, column in enumerate(columns):
            self.codes[self._place[column.rows], j] = column.values

    @property
    def rising(self) -> slice:
        return slice(None)

    def fires(self, rows: np.ndarray) -> np.ndarray:
        return self._on.get(self._fires[self._on.put(rows)])

    def rows_at(self, places: np.ndarray) -> np.ndarray:
        return self._on.get(self.rows[self._on.put(places)])

    def sums(self, weights: np.ndarray, to: Start = None) -> torch.Tensor:
        return self._added(self.codes @ self._on.put(weights), to)

    def along(self, form: int, weights: np.ndarray, to: Start = None) -> torch.Tensor:
        return self._weighted([column.crosses[form] for column in self._columns], weights, to)

    def weighted(self, numbers: Sequence[torch.Tensor], weights: np.ndarray, to: Start = None) -> torch.Tensor:
        products = [column.values * number for column, number in zip(self._columns, numbers, strict=True)]
        return self._weighted(products, weights, to)

    def squares(self, form: int, weights: np.ndarray, gram: np.ndarray, to: Start = None) -> torch.Tensor:
        pairs = (self.codes @ self._on.put(gram) * self.codes).sum(dim=1)
        return self._added(self.along(form, weights) + pairs, to)

    def _weighted(self, numbers: Sequence[torch.Tensor], weights: np.ndarray, to: Start) -> torch.Tensor:
        """sum_j weights_j numbers_ij (m,), neuron after neuron: the same bits every time."""
        total = torch.zeros(self.count, dtype=torch.float64, device=self._on.device)
        for column, number, weight in zip(self._columns, numbers, weights.tolist(), strict=True):
            total[self._place[column.rows]] += weight * number
        return self._added(total, to)

    def _added(self, sums: torch.Tensor, to: Start) -> torch.Tensor:
        if to is None:
            return sums
        if isinstance(to, torch.Tensor):
            to += sums
            return to
        total = torch.zeros(self.count, dtype=torch.float64, device=self._on.device)
        for column, own in zip(self._columns, to, strict=True):
            total[self._place[column.rows]] = own
        return total + sums

    def codes_of(self, rows: np.ndarray) -> np.ndarray:
        at = self._on.put(rows)
        return self._on.get(torch.where(self._fires[at][:, None], self.codes[self._place[at]], 0.0))


def device_for(*arrays: np.ndarray) -> Device | None:
    """A GPU that has room for these embeddings twice over; None where there is none."""
    if not torch.cuda.is_available():
        return None
    free, _ = torch.cuda.mem_get_info()
    return Device("cuda") if free > 2 * sum(a.nbytes for a in {id(a): a for a in arrays}.values()) else None


def _dtype(dtype: np.dtype) -> torch.dtype:
    return {2: torch.float16, 4: torch.float32, 8: torch.float64}[np.dtype(dtype).itemsize]

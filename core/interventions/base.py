"""What an intervention is: a pure function from stored embeddings and an edit to edited embeddings."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import scipy.sparse as sparse

from core.config import Attach, Edit, InputError, Side
from core.registry import Registry

if TYPE_CHECKING:
    from core.saes.base import SAE

Readout = Callable[[np.ndarray], np.ndarray]
"""Residuals (n, d_model) to pooled embeddings (n, d); see core.readout."""


@dataclass(frozen=True, eq=False)
class Material:
    """Everything an intervention may look at, for some rows of one side. Never changed."""

    side: Side
    pooled: np.ndarray
    """Stored pooled embeddings (n, d), un-normalised."""
    attach: Attach = "pooled"
    x: np.ndarray | None = None
    """Embeddings (n, d_in) at the SAE's attach point; None: `pooled`."""
    codes: sparse.spmatrix | None = None
    """Codes z (n, F) of `x`; CSC is fastest where few neurons are switched."""
    sae: "SAE | None" = None
    readout: Readout | None = None
    """From `x` to `pooled`; needed at the residual attach point."""

    def __post_init__(self) -> None:
        if self.x is None:
            object.__setattr__(self, "x", self.pooled)
        if self.attach == "residual" and self.readout is None:
            raise InputError(
                "edits at the residual attach point need the readout that follows it, and these embeddings came "
                "without one; build the gallery with this version or use an SAE of the pooled embeddings"
            )

    @property
    def nbytes(self) -> int:
        """Memory that this material keeps alive; mapped files take none."""
        codes = 0 if self.codes is None else self.codes.data.nbytes + self.codes.indices.nbytes
        arrays = {id(a): a for a in (self.pooled, self.x) if not isinstance(a, np.memmap)}
        return codes + sum(a.nbytes for a in arrays.values())

    @cached_property
    def W_dec(self) -> np.ndarray:
        """Decoder directions (F, d_in)."""
        return self._of_sae("W_dec")

    @cached_property
    def reconstruction(self) -> np.ndarray:
        """x_hat (n, d_in) = z W_dec + b_dec, computed once."""
        return self.require_codes() @ self.W_dec + self._of_sae("b_dec")

    def require_codes(self) -> sparse.spmatrix:
        """The codes; InputError where the intervention was given none."""
        if self.codes is None or self.sae is None:
            raise InputError(f"editing neurons of the {self.side} side needs an SAE of that side; choose one")
        return self.codes

    def embedded(self, x: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Pooled embeddings of changed `x` rows; the other rows keep their stored embedding, bit by bit."""
        pooled = np.array(self.pooled, dtype=np.result_type(self.pooled.dtype, np.float32))
        pooled[rows] = x if self.attach == "pooled" or self.readout is None else self.readout(x)
        return pooled

    def _of_sae(self, name: str) -> np.ndarray:
        self.require_codes()
        dtype = np.result_type(self.x.dtype, np.float32)
        return self.sae.arrays()[name].astype(dtype, copy=False)


class Intervention(ABC):
    """A debiasing method: edited, un-normalised pooled embeddings (n, d) from a material and an edit.

    Pure: equal arguments give equal results, nothing is kept, nothing given is changed. A row that the method does
    not touch keeps its stored embedding bit by bit.
    """

    title: ClassVar[str]
    needs_sae: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, material: Material, edit: Edit) -> np.ndarray: ...


INTERVENTIONS: Registry[type[Intervention]] = Registry("intervention", "core.interventions")

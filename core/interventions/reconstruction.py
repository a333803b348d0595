"""A control: what passing through the SAE does by itself, with no neuron switched."""

import numpy as np

from core.config import Edit
from core.interventions.base import INTERVENTIONS, Intervention, Material


@INTERVENTIONS.register("reconstruction-only")
class ReconstructionOnly(Intervention):
    """x' = alpha (z W_dec + b_dec) + (1 - alpha) x with untouched codes.

    alpha is the edit's in the blend form and 1 in the error-preserving form, which has no reconstruction of its own:
    there this is the largest harm that a lossy SAE could do. The edit's neurons are not used.
    """

    title = "SAE reconstruction only"

    def __call__(self, material: Material, edit: Edit) -> np.ndarray:
        alpha = edit.alpha if edit.form == "blend" else 1.0
        if alpha == 0.0:
            return np.array(material.pooled, dtype=np.result_type(material.pooled.dtype, np.float32))
        # in the reconstruction's precision: a product of stored float16 rows would be rounded to float16
        return material.embedded(
            alpha * material.reconstruction + (1.0 - alpha) * material.x.astype(material.W_dec.dtype)
        )

"""The baseline: nothing is changed."""

import numpy as np

from core.config import Edit
from core.interventions.base import INTERVENTIONS, Intervention, Material


@INTERVENTIONS.register("identity")
class Identity(Intervention):
    """The stored embeddings as they are."""

    title = "original"
    needs_sae = False

    def __call__(self, material: Material, edit: Edit) -> np.ndarray:
        return np.array(material.pooled, dtype=np.result_type(material.pooled.dtype, np.float32))

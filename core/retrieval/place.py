"""Which place the live engine makes its sums in: a GPU that has room for the embeddings, else memory."""

from pathlib import Path

import numpy as np

from core.retrieval.host import Host
from core.retrieval.products import Rows

GPU_DRIVER = Path("/dev/nvidiactl")
"""There where the driver of a GPU is: asked before torch, which takes seconds to load."""


def place_for(*embeddings: Rows) -> Host:
    """A GPU that has room for these embeddings, else memory."""
    arrays = [x for x in embeddings if isinstance(x, np.ndarray)]
    if GPU_DRIVER.exists() and len(arrays) == len(embeddings):
        from core.retrieval.on_device import device_for

        return device_for(*arrays) or Host()
    return Host()

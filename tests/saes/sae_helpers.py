"""Small data and hand-made SAEs for the tests of this room."""

import numpy as np
import torch

from core.saes.base import SAE, new_sae, sae_config


def cone(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Embeddings like CLIP's: a few directions of unequal strength around a large common mean."""
    rng = np.random.default_rng(seed)
    directions, strengths = rng.normal(size=(6, d)), np.array([3, 2, 1.5, 1, 0.7, 0.5])
    shared = rng.normal(size=d) * 2
    parts = rng.exponential(size=(n, 6)) * (rng.random((n, 6)) < 0.4) * strengths
    return (shared + parts @ directions + 0.1 * rng.normal(size=(n, d))).astype(np.float32)


def random_sae(arch: str, d: int = 12, n: int = 40, k: int = 5, seed: int = 0) -> SAE:
    """Weights with biases everywhere, so that a forgotten term shows."""
    sae = new_sae(sae_config(arch, d, n, k))
    generator = torch.Generator().manual_seed(seed)
    sae.initialise(generator)
    with torch.no_grad():
        sae.b_enc.copy_(0.1 * torch.randn(n, generator=generator))
        sae.b_dec.copy_(torch.randn(d, generator=generator))
        if hasattr(sae, "threshold"):
            sae.threshold.fill_(0.3)
    return sae

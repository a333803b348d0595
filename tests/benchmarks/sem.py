"""`sem`: SEM_bi for one query with 10 paraphrases, embeddings given, beside the same computed from the weights."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from core.interventions import INTERVENTIONS, Evidence, Material, Texts
from core.saes.base import SAE, new_sae, sae_config

D, F, DIVERSE, PARAPHRASES, GROUPS, PER_GROUP = 512, 16_384, 328, 10, 2, 24
FIRING = 1.4
"""Standard deviations below the mean pre-activation at which a neuron starts to fire: about 8 % are active."""


def run(runs: int = 30, seed: int = 0) -> dict[str, Any]:
    """Median milliseconds of both, alternating; the answers are compared in every run."""
    rng = np.random.default_rng(seed)
    sae = _sae(rng)
    diverse, groups = _texts(rng, DIVERSE), _texts(rng, GROUPS * PER_GROUP)
    query = (_texts(rng, 1) + 0.1 * rng.normal(size=(PARAPHRASES, D))).astype(np.float32)
    evidence = Evidence(
        texts={"diverse": Texts(diverse, (DIVERSE,)), "bias": Texts(groups, (PER_GROUP,) * GROUPS)}, sae=sae
    )
    method = INTERVENTIONS.get("sem-bi")()
    fitted = method.fit(evidence)
    material = Material("text", query[:1], sae=sae, paraphrases=(query,))
    weights = {name: value.astype(np.float32) for name, value in sae.arrays().items()}
    ours, other = [], []
    difference = 0.0
    for at in range(runs + 2):
        fast, a = _timed(lambda: method(material, fitted=fitted)[0])
        slow, b = _timed(lambda: straightforward(weights, diverse, query, fitted.bias))
        difference = max(difference, float(np.abs(a - b).max()))
        if at >= 2:
            ours.append(fast)
            other.append(slow)
    medians = {"ours": statistics.median(ours), "other": statistics.median(other)}
    return {
        "ratio": round(medians["other"] / medians["ours"], 1),
        "ours": {"median_ms": round(medians["ours"], 2)},
        "other": {"name": "the same from the weights each time (numpy)", "median_ms": round(medians["other"], 2)},
        "runs": runs,
        "largest_difference": difference,
        "active": round(float((fitted.diverse.ordered > 0).mean()), 3),
        "d": D,
        "d_sae": F,
        "diverse": DIVERSE,
        "paraphrases": PARAPHRASES,
        "what": "bias scores given to both; ours also keeps what belongs to the diverse prompts",
    }


def straightforward(weights: dict[str, np.ndarray], diverse: np.ndarray, query: np.ndarray, S_b: np.ndarray):
    """SEM_bi line by line from its definition; the query is the first paraphrase."""

    def latents(x: np.ndarray) -> np.ndarray:
        return np.maximum((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"], 0.0)

    def lower_median(H: np.ndarray) -> np.ndarray:
        return np.sort(H, axis=0)[(len(H) - 1) // 2]

    H, paraphrased = latents(diverse), latents(query)
    S_c = (lower_median(paraphrased) > H).mean(axis=0, dtype=np.float32)
    M = (1 + S_c - S_b) ** 2
    return (paraphrased[0] * M + (1 - M) * lower_median(H)) @ weights["W_dec"] + weights["b_dec"]


def _sae(rng: np.random.Generator) -> SAE:
    """Random directions of length 1, the encoder their transpose, thresholds that let few neurons fire."""
    sae = new_sae(sae_config("msae", D, F, 256))
    W = rng.normal(size=(F, D)).astype(np.float32)
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    centre = _texts(rng, 4096).mean(axis=0)
    spread = float(((_texts(rng, 64) - centre) @ W.T).std())
    bias = np.full(F, -FIRING * spread, dtype=np.float32)
    return sae.load_arrays({"W_enc": W.T.copy(), "b_enc": bias, "W_dec": W, "b_dec": centre}).frozen()


def _texts(rng: np.random.Generator, n: int) -> np.ndarray:
    """Embeddings around a common mean, of norm about 10, as CLIP's are."""
    mean = np.random.default_rng(1).normal(size=D)
    return (rng.normal(size=(n, D)) * 0.3 + mean * 0.33).astype(np.float32)


def _timed(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    found = call()
    return 1000 * (time.perf_counter() - start), found

"""What SEM_i, SEM_b and SEM_bi have in common: the query is re-weighted neuron by neuron, images stay untouched."""

from typing import Any, ClassVar

import numpy as np

from core.config import Edit
from core.interventions.arrays import Reader
from core.interventions.base import NO_EDIT, Arrays, Evidence, Intervention, Material, lacking
from core.interventions.sem_scores import ReLUEncoder, SEMScores, decode, lower_median, modulated, modulation
from core.interventions.subspaces import remainder
from core.saes.frozen import FrozenSAE

SEM_ARRAYS = (
    *("sae_bpre", "sae_encoder_weight", "sae_encoder_bias", "sae_decoder_weight"),
    *("emb_diverse", "emb_query", "emb_paraphrase", "n_paraphrase", "emb_bias", "n_bias"),
)


class SEMIntervention(Intervention):
    """h' = h M + (1 - M) m_div per query, embedding' = h' W_dec + b_dec; see `sem_scores` for the symbols.

    `paraphrased` takes S_c from the lower median of the paraphrases' latents, `biased` puts S_b into M; without
    `biased` h is that median too, else the query's own latents. Latents are by the SAE's own inference rule, which is
    the paper's plain ReLU for its own SAEs. Each query is computed by itself, with its paraphrases: what else is
    asked at the same time changes nothing.
    """

    paraphrased: ClassVar[bool] = True
    biased: ClassVar[bool] = True
    paper = "SEM, arXiv 2603.19028"
    cost = "about 10 ms a query at 16,384 neurons; scores once for each SAE and attribute"
    changes = "query"
    fitted_as: ClassVar[str | None] = "sem"
    stays = "it weighs every neuron of a query by its rank among many other texts, which is no map of a few arrays"
    array_names: ClassVar[tuple[str, ...]] = SEM_ARRAYS

    def fit(self, evidence: Evidence) -> SEMScores:
        sae = evidence.require_sae()
        diverse = _latents(sae, evidence.text("diverse").x)
        classes = [_latents(sae, rows) for rows in evidence.text("bias").blocks("x")] if self.biased else []
        return SEMScores.of(diverse, classes, ReLUEncoder.of(sae))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: SEMScores | None = None) -> np.ndarray:
        return material.embedded(remainder(material.x, self.edited(material, fitted)))

    def edited(self, material: Material, fitted: SEMScores | None) -> np.ndarray:
        """The queries (n, d_in) at the SAE's attach point after SEM."""
        if material.sae is None or fitted is None:
            raise lacking("sae", "none was given for the text side: choose one")
        paraphrases = material.require_paraphrases() if self.paraphrased else [None] * len(material.x)
        rows = [self._one(material, x, more, fitted) for x, more in zip(material.x, paraphrases, strict=True)]
        return np.stack(rows) if rows else np.array(material.x)

    def _one(self, material: Material, x: np.ndarray, more: np.ndarray | None, scores: SEMScores) -> np.ndarray:
        """One query (d_in,) after SEM; the first of its paraphrases is the query itself."""
        hdeb, others = np.zeros_like(scores.bias), x[None][:0] if more is None else more[1:]
        if self.biased and scores.encoder is not None:
            # where query and everyday level are both silent so is the result, whatever M is
            latents = scores.encoder(x)
            neurons = np.flatnonzero((latents > 0) | (scores.diverse.lower_median > 0))
            wordings = np.concatenate([latents[None, neurons], scores.encoder.at(others, neurons)])
            hdeb[neurons] = self._parts(wordings[0], wordings, scores, neurons)["hdeb"]
        else:
            wordings = _latents(material.sae, np.concatenate([x[None], others]))
            hdeb[:] = self._parts(wordings[0], wordings, scores)["hdeb"]
        return decode(hdeb, *_decoder(material.sae, x.dtype))

    def _parts(
        self, latents: np.ndarray, wordings: np.ndarray, scores: SEMScores, neurons: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """S_c, M, h and h' of one query from its own latents (F,) and those (m, F) of all its wordings.

        `neurons` are the numbers of the columns where these are not all.
        """
        usual = lower_median(wordings) if self.paraphrased else latents
        at = slice(None) if neurons is None else neurons
        S_c = scores.diverse(usual, neurons)
        M = modulation(S_c, scores.bias[at] if self.biased else None)
        h = latents if self.biased else usual
        return {"Sc": S_c, "M": M, "h": h, "hdeb": modulated(h, M, scores.diverse.lower_median[at])}

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        given = SEMArrays(arrays, "SEM")
        parts = [
            self._parts(latents, wordings, given.scores)
            for latents, wordings in zip(given.query, given.paraphrases, strict=True)
        ]
        stacked = {name: np.stack([p[name] for p in parts]) for name in ("Sc", "M", "h", "hdeb")}
        stacked["out"] = stacked["hdeb"].astype(np.float64) @ given.decoder.T.astype(np.float64) + given.b_pre
        return {name: a.astype(given.dtype) for name, a in {**stacked, "Sb": given.scores.bias}.items()}


class SEMArrays:
    """Bare arrays of SEM as latents.

    Latents are computed in float64 and rounded to the arrays' own dtype: equal texts have equal latents wherever they
    stand, which strict ranks need.
    """

    def __init__(self, arrays: Arrays, method: str) -> None:
        read = Reader(arrays, method)
        encoder = read.matrix("sae_encoder_weight")
        d_sae, d = encoder.shape
        self.b_pre = read.vector("sae_bpre", d)
        bias = read.vector("sae_encoder_bias", d_sae)
        self.decoder = read.matrix("sae_decoder_weight", d_sae)
        read.fits("sae_decoder_weight", len(self.decoder) == d, f"{d} rows, the columns of sae_encoder_weight")
        texts = {name: read.matrix(f"emb_{name}", d) for name in ("diverse", "query", "paraphrase", "bias")}
        self.dtype = texts["query"].dtype

        def latents(x: np.ndarray) -> np.ndarray:
            pre = (x.astype(np.float64) - self.b_pre) @ encoder.T.astype(np.float64) + bias
            return np.maximum(pre, 0.0).astype(self.dtype)

        sizes = read.sizes("n_paraphrase", len(texts["paraphrase"]), "emb_paraphrase")
        read.fits("n_paraphrase", len(sizes) == len(texts["query"]), f"{len(texts['query'])} numbers, one a query")
        groups = read.sizes("n_bias", len(texts["bias"]), "emb_bias")
        read.fits("n_bias", len(groups) >= 2, "at least two classes")
        self.query = latents(texts["query"])
        self.paraphrases = np.split(latents(texts["paraphrase"]), np.cumsum(sizes)[:-1])
        classes = np.split(latents(texts["bias"]), np.cumsum(groups)[:-1])
        self.scores = SEMScores.of(latents(texts["diverse"]), classes)


def _latents(sae: Any, x: np.ndarray) -> np.ndarray:
    """Dense latents (n, F) by the SAE's inference rule."""
    if isinstance(sae, FrozenSAE):
        return sae.encode(x)
    import torch

    with torch.inference_mode():
        given = torch.as_tensor(np.array(x, dtype=np.result_type(x.dtype, np.float32)))
        return sae.encode(given.to(sae.b_dec.device, sae.b_dec.dtype)).cpu().numpy()


def _decoder(sae: Any, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """W_dec (F, d) and b_dec (d,) in the dtype of the texts, without a copy where they are so already."""
    dtype = np.result_type(dtype, np.float32)
    given = sae.arrays()
    return given["W_dec"].astype(dtype, copy=False), given["b_dec"].astype(dtype, copy=False)

"""Similarity gap (DeBiasLens, figure 3): do items of one group look more alike, before and after the SAE?"""

from typing import ClassVar

import pandas as pd

from core.config import Progress
from core.figures import Picture, Series
from core.neurons import codes_of
from core.neurons.pair_cosines import similarity_gap
from core.studies.asking import ask
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult


@STUDIES.register("similarity-gap")
class SimilarityGaps(Study):
    """Mean cosine of random pairs against pairs that share a group, of embeddings (before) and of codes (after).

    gap = shared - random; 0: sharing the group says nothing about looking alike. All pairs are counted; intervals are
    jackknifed over items.
    """

    title = "Similarity gap"
    question = "Do items of one group look more alike than any two, to the model and to the SAE?"
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        names = tuple(sorted(request.require_attributes()))
        gallery, sae = request.gallery, request.require_sae()
        asked = ask(request, names[0])
        rows = gallery.rows(asked.half, request.where)
        codes, x = codes_of(gallery, sae).csr, gallery.embeddings(sae.attach or "pooled")
        table, notes = [], []
        for done, name in enumerate(names):
            if progress:
                progress(done, len(names), name)
            found = similarity_gap(name, x, codes, gallery.group_numbers(name), rows)
            if found.silent:
                notes.append(f"{name}: {found.silent} items on which no neuron fires are left out")
            for space, pairs in (("before", found.before), ("after", found.after)):
                row = {"attribute": name, "space": space}
                for kind in ("random", "shared", "gap"):
                    estimate = getattr(pairs, kind)
                    row |= {kind: estimate.estimate, f"{kind}_lo": estimate.lo, f"{kind}_hi": estimate.hi}
                table.append(row | {"n": found.n, "pairs": found.pairs, "shared_pairs": found.shared_pairs})
        if progress:
            progress(len(names), len(names), "done")
        frame = pd.DataFrame(table)
        series = tuple(
            Series(title, part["attribute"].tolist(), *(part[key].tolist() for key in ("gap", "gap_lo", "gap_hi")))
            for title, part in (
                ("embeddings", frame[frame["space"] == "before"]),
                ("SAE codes", frame[frame["space"] == "after"]),
            )
        )
        words = "cosine of pairs that share the group minus that of all pairs; strokes: 95 % intervals"
        picture = Picture(self.title, "bars", "", "gap", series, words)
        settings = {"study": "similarity-gap", "half": asked.half, "where": dict(request.where), **request.digests()}
        return StudyResult(frame, picture, settings, tuple(notes))

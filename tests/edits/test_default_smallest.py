"""The shipped world, whose bias is planted: edits found on its probe gallery end the lean on its evaluation gallery."""

from dataclasses import replace

import numpy as np
import pytest

from core.config import ASSETS
from core.edits import EditChoice, choose_edits
from core.gallery import open_gallery
from core.ranking import RankRequest, rank, utility_cost
from core.scene import Scene

WORDS = ["doctor", "nurse", "engineer", "secretary", "judge", "cleaner", "chef", "teacher", "farmer", "pilot"]


@pytest.mark.shipped
@pytest.mark.skipif(
    not (ASSETS / "galleries" / "default" / "manifest.json").exists(),
    reason="the default's assets are not built: run python -m core build-default",
)
def test_ten_planted_words():
    """Mean MaxSkew@100 at most .12 at cosine .93, others losing at most .02 (measured: .095 at .955, .0005)."""
    from core.backbones.open_clip_models import load_backbone
    from core.saes.checkpoint import load_sae
    from core.zeroshot import PromptSet

    scene = Scene(open_gallery("default"), {"image": load_sae("default-image")}, load_backbone("default"))
    assert scene.probe.name == "default-probe"
    queries = [f"a photo of {'an' if word[0] in 'aeiou' else 'a'} {word}" for word in WORDS]
    request = RankRequest("gender", queries[0], k=100, null_draws=50)
    choice = EditChoice.from_json({"select": "smallest", "target_skew": 0.12, "size": 16})
    edits = choose_edits(scene, choice, request, queries)
    skews, cosines = [], []
    for query, edit in zip(queries, edits, strict=True):
        assert len(edit.neurons) <= 16
        found = rank(scene, replace(request, query=query, edits={"image": edit}))
        skews.append(found.after.metrics["max_skew"].estimate)
        cosines.append(found.difference.cosine.estimate)
    assert np.mean(skews) <= 0.12 and np.mean(cosines) >= 0.93
    prompts = PromptSet.load("default-attributes")
    for edit in edits[:2]:
        cost = utility_cost(scene, replace(request, edits={"image": edit}), prompts)
        assert min(one.difference.accuracy.estimate for one in cost.zeroshot.values()) >= -0.02

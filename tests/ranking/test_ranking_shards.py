"""Items that are spread over workers are ranked as those of one process, whatever is switched."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core import ranking
from core.config import Edit, InputError
from core.gallery import Gallery, import_gallery
from core.neurons import encode_gallery
from core.ranking.arms import arm_items
from core.ranking.rows import part_of
from core.ranking.shards import Shard, spread
from core.retrieval import same_ranking
from core.saes.checkpoint import SAEFile, save_sae
from core.scene import Scene
from core.training import train_sae
from tests.cluster_work import SHORT, Here, config, embeddings


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> Gallery:
    folder, rng = tmp_path_factory.mktemp("imported"), np.random.default_rng(1)
    table = pd.DataFrame({"id": [f"i{i}" for i in range(300)], "gender": rng.choice(["F", "M", None], 300)})
    table.to_csv(folder / "table.csv", index=False)
    return import_gallery(embeddings(300), folder / "table.csv", model_name="toy", out=folder / "gallery")


@pytest.fixture(scope="module")
def sae_file(gallery, tmp_path_factory) -> SAEFile:
    sae, _ = train_sae(gallery.embeddings(), config("topk"), SHORT)
    return save_sae(tmp_path_factory.mktemp("sae") / "s", sae, "s", gallery.fingerprint("pooled"))


@pytest.mark.parametrize("large", [False, True], ids=["copied", "stored"])
@pytest.mark.parametrize("half", ["all", "evaluation"])
def test_shards_rank_as_one_engine_whatever_is_switched(gallery, sae_file, monkeypatch, half, large):
    if large:
        monkeypatch.setattr("core.ranking.items.INDEX_BYTES", 0)
        encode_gallery(gallery, sae_file)
    rng, scene = np.random.default_rng(0), Scene(gallery, {"image": sae_file})
    asked = ranking.RankRequest("gender", query_embedding=np.ones(8), half=half)
    part = part_of(scene, asked)
    with spread(Here(3), scene, part) as shards:
        plain = arm_items(scene, part, asked, shards=shards)
        assert not len(plain.changed) and plain.mean_cosine == 1.0, "without an edit nothing moves anywhere"
        for number in range(12):
            edit = Edit(
                tuple(rng.choice(24, size=int(rng.integers(1, 6)), replace=False).tolist()),
                strength=float(rng.uniform(0.1, 1)),
                gamma=float(rng.choice([0.0, 0.4])),
                form=("error-preserving", "blend")[number % 2],
                alpha=0.5,
            )
            request = replace(asked, edits={"image": edit})
            alone = arm_items(scene, part, request)
            apart = arm_items(scene, part, request, shards=shards)
            query, k = rng.normal(size=8), int(rng.integers(1, part.n + 1))
            assert same_ranking(alone.index.search(query, k), apart.index.search(query, k), 1e-6)
            np.testing.assert_allclose(apart.index.scores(query), alone.index.scores(query), atol=1e-6)
            np.testing.assert_array_equal(apart.changed, alone.changed)
            np.testing.assert_allclose(apart.cosines, alone.cosines, atol=1e-9)


def test_methods_that_look_at_all_items_are_refused(gallery):
    request, scene = ranking.RankRequest("gender", query_embedding=np.ones(8), method="mean-difference"), Scene(gallery)
    with (
        spread(Here(), scene, part_of(scene, request)) as shards,
        pytest.raises(InputError, match="mean-difference changes all items together"),
    ):
        arm_items(scene, part_of(scene, request), request, shards=shards)


def test_a_worker_that_does_not_see_the_gallery_says_so(gallery):
    with pytest.raises(InputError, match=r"a worker cannot open the gallery .* where all machines see it"):
        Shard(Path("/nowhere"), gallery.digest, np.arange(3), None, 0)
    with pytest.raises(InputError, match="a worker sees another gallery"):
        Shard(gallery.path, "0" * 64, np.arange(3), None, 0)

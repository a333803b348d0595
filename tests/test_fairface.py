"""Facts about real embeddings of faces, found before this code was written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core import ranking
from core.gallery import import_gallery
from core.neurons import best_neurons, codes_of, separation
from core.ranking import RankRequest
from core.saes.base import sae_config
from core.scene import Scene
from core.statistics import auc
from core.training import train_on_gallery
from core.training.config import TrainingConfig, suggested_training

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "fairface_rn50"
MALE_SHARES = {
    "ex-serviceman": 0.66,
    "veteran": 0.65,
    "commander": 0.63,
    "gunner": 0.57,
    "officer": 0.52,
    "trained worker": 0.37,
    "person": 0.15,
    "volunteer": 0.07,
    "nurse": 0.00,
}


@pytest.fixture(scope="module")
def texts() -> pd.DataFrame:
    if not DATA.is_dir():
        pytest.skip(f"the real embeddings are not here: {DATA}")
    return pd.read_csv(DATA / "texts.csv")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, texts):
    """2,000 photographs, OpenAI CLIP RN50, without the pictures themselves."""
    return import_gallery(
        DATA / "image_embeddings.npy",
        DATA / "labels.csv",
        model_name="RN50",
        out=tmp_path_factory.mktemp("fairface") / "gallery",
        texts=DATA / "text_embeddings.npy",
        text_table=DATA / "texts.csv",
    )


@pytest.fixture(scope="module")
def scene(gallery) -> Scene:
    return Scene(gallery)


def test_the_gender_axis_of_the_texts_separates_the_photographs(gallery, texts):
    axis = {
        kind: np.mean([gallery.prompt_embedding(p) for p in texts.prompt[texts.kind == kind]], axis=0)
        for kind in ("male", "female")
    }
    scores = gallery.unit() @ (axis["male"] - axis["female"])
    male = gallery.labels("gender") == "Male"
    assert auc(scores, male) == pytest.approx(0.971, abs=0.0006)
    white = gallery.rows(where={"race": "White"})
    assert gallery.group_counts("gender", white) == {"Female": 1000, "Male": 207, "unknown": 0}
    assert auc(scores[white], male[white]) == pytest.approx(0.983, abs=0.0006)


@pytest.mark.parametrize("noun", list(MALE_SHARES))
def test_male_share_of_the_top_100_inside_white(gallery, texts, scene, noun):
    prompt = texts.prompt[texts.noun == noun].item()
    request = RankRequest("gender", prompt, k=100, target="gallery", where={"race": "White"})
    result = ranking.rank(scene, request)
    share = result.before.shares["Male"]
    assert round(share.estimate, 2) == MALE_SHARES[noun] and share.lo <= share.estimate <= share.hi
    assert result.part.target == pytest.approx([1000 / 1207, 207 / 1207])
    # "person" retrieves men at their share of the gallery; everything else is told from no bias
    assert result.before.metrics["kl"].distinguishable == (noun != "person")
    # MaxSkew hardly sees a lean towards the larger group: 0 men of 100 is inside its band, which is why it has one
    assert result.before.metrics["max_skew"].distinguishable == (MALE_SHARES[noun] > 0.3)


def test_null_band_of_max_skew_inside_white(gallery, texts, scene):
    request = RankRequest("gender", "a photo of a person", k=100, target="gallery", where={"race": "White"})
    band = ranking.rank(scene, request).before.metrics["max_skew"].null
    assert band.mean == pytest.approx(0.09, abs=0.01) and 0.3 < band.hi < 0.4


def test_an_sae_of_the_suggested_size_has_a_gender_neuron_that_carries_over(gallery, tmp_path):
    """Trained and chosen on the probe half inside White, measured on the evaluation half; .868 was observed."""
    rows = {half: gallery.rows(half, {"race": "White"}) for half in ("probe", "evaluation")}
    plan = suggested_training(len(gallery.rows("probe")), 1024)
    shape, training = sae_config("topk", 1024, plan.d_sae, plan.k), TrainingConfig(plan.steps, plan.batch)
    made = train_on_gallery(gallery, "pooled", "probe", shape, training, tmp_path / "sae")
    codes, labels = codes_of(gallery, made), gallery.labels("gender")
    group, best = max(best_neurons(codes, labels, rows["probe"]).items(), key=lambda found: found[1].auc.estimate)
    assert separation(codes, labels, rows["evaluation"], best.neuron, group).estimate > 0.8

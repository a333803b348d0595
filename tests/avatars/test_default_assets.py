"""The shipped default keeps its promises: readable attributes, the planted bias, and neurons that carry it.

Bounds are promises; the value seen when the assets were made stands beside each.
"""

import json
from functools import cache

import numpy as np
import pytest

from core.avatars import planted
from core.avatars.captions import prompt_for
from core.avatars.world import ATTRIBUTES, REFERENCE_WORDS, WORDS
from core.backbones.open_clip_models import load_backbone
from core.config import ASSETS
from core.gallery import open_gallery
from core.neurons import social_neurons
from core.saes.checkpoint import load_sae
from core.units import unit
from core.zeroshot import PromptSet, class_embeddings

pytestmark = [
    pytest.mark.shipped,
    pytest.mark.skipif(
        not (ASSETS / "galleries" / "default" / "manifest.json").exists(),
        reason="the default's assets are not built: run python -m core build-default",
    ),
]
PROMPTED = tuple(ATTRIBUTES)
MEGABYTE = 1_000_000


@cache
def backbone():
    return load_backbone("default")


@cache
def gallery(name="default"):
    return open_gallery(name)


@cache
def word_embeddings():
    return unit(backbone().encode_texts([prompt_for(row.word) for row in WORDS])["pooled"])


def scores(x):
    """Similarity of every row of x (n, d) to every word's prompt."""
    return unit(x) @ word_embeddings().T


def is_male(name="default"):
    return gallery(name).labels("gender") == "Male"


def accuracy(x, attribute):
    prompts = PromptSet.load("default-attributes")
    classes = class_embeddings(lambda texts: backbone().encode_texts(texts)["pooled"], prompts, attribute)
    groups = prompts.groups(attribute)
    labels = np.array([groups.index(label) for label in gallery().labels(attribute)])
    return planted.zero_shot_accuracy(x, classes, labels)


def reference_skew(x):
    """Mean MaxSkew@100 of the ten reference words, target uniform."""
    columns = [i for i, row in enumerate(WORDS) if row.word in REFERENCE_WORDS]
    return planted.max_skew_at(scores(x)[:, columns], is_male()).mean()


def embeddings(name="default", attach="pooled"):
    return np.asarray(gallery(name).embeddings(attach), dtype=np.float64)


@pytest.mark.parametrize(
    ("attribute", "least"),
    [("gender", 0.95), ("age", 0.85), ("skin", 0.95), ("glasses", 0.95), ("smile", 0.95), ("background", 0.95)],
)
def test_every_attribute_can_be_read_zero_shot(attribute, least):
    assert gallery().n >= 2000
    assert accuracy(embeddings(), attribute) >= least


def test_gender_is_read_alike_on_every_skin_group():
    right = []
    for skin in ATTRIBUTES["skin"]:
        rows = gallery().labels("skin") == skin
        classes = unit(backbone().encode_texts(["a photo of a man", "a photo of a woman"])["pooled"])
        says_male = np.argmax(unit(embeddings()[rows]) @ classes.T, 1) == 0
        right.append((says_male == is_male()[rows]).mean())
    assert min(right) >= 0.93 and max(right) - min(right) <= 0.05


def test_the_measured_bias_is_the_planted_one():
    p_male = [row.p_male for row in WORDS]
    gaps = planted.standardised_gaps(scores(embeddings()), is_male())
    assert all((row.p_male - 0.5) * gap > 0 for row, gap in zip(WORDS, gaps, strict=True) if row.p_male != 0.5)
    assert planted.spearman(gaps, p_male) >= 0.9
    assert reference_skew(embeddings()) >= 0.5
    controls = {row.word: abs(gap) for row, gap in zip(WORDS, gaps, strict=True) if row.p_male == 0.5}
    assert max(controls.values()) <= 0.5, controls


def test_planted_age_and_skin_are_found_too():
    ranked = np.argsort(-scores(embeddings()), axis=0)[:100]
    for attribute in ("age", "skin"):
        for i, row in enumerate(WORDS):
            shares = getattr(row, attribute)
            if max(shares) > 0.5:
                group = ATTRIBUTES[attribute][int(np.argmax(shares))]
                assert (gallery().labels(attribute)[ranked[:, i]] == group).mean() >= 0.5, (row.word, group)


def gender_neurons(file):
    """The first specific neuron of each gender on the probe gallery, tau = .5: the reference edit."""
    probe = gallery("default-probe").codes(file.digest)
    return social_neurons(probe.csr, gallery("default-probe").labels("gender"), 0.5).top(1)


@pytest.mark.parametrize("name", ["default-image", "default-image-residual"])
def test_one_neuron_says_which_presentation_is_drawn(name):
    """Presentation has two values, so one neuron is enough: it fires for one and is silent for the other."""
    file = load_sae(name)
    found = [j for neurons in gender_neurons(file).values() for j in neurons]
    assert found, "no neuron is specific to a gender presentation"
    if name == "default-image":
        assert len(found) == 2, "each presentation has a specific neuron in the shipped image SAE"
    codes, male = gallery().codes(file.digest).csr, is_male()
    separation = []
    for j in found:
        fires = np.asarray(codes[:, [j]].todense()).ravel() > 0
        separation.append(abs(fires[male].mean() - fires[~male].mean()))
    assert max(separation) >= 0.8


@pytest.mark.parametrize("name", ["default-image", "default-image-residual"])
def test_switching_off_the_gender_neurons_removes_the_skew_and_nothing_else(name):
    """Error-preserving, chosen on the probe gallery and measured on the evaluation gallery."""
    file = load_sae(name)
    chosen = [j for found in gender_neurons(file).values() for j in found]
    z = np.asarray(gallery().codes(file.digest).csr.todense(), dtype=np.float64)
    arrays = file.sae.arrays()
    w, x, pooled = arrays["W_dec"], embeddings(attach=file.attach), embeddings()
    readout = (lambda rows: rows) if file.attach == "pooled" else gallery().readout()
    without = readout(x - z[:, chosen] @ w[chosen])
    assert reference_skew(without) <= 0.30
    for attribute in PROMPTED[1:]:
        assert accuracy(without, attribute) >= accuracy(pooled, attribute) - 0.02, attribute
    reconstructed = readout(z @ w + arrays["b_dec"])
    assert abs(reference_skew(reconstructed) - reference_skew(pooled)) <= 0.05
    firing = (z > 0).mean(0)
    others = [j for j in np.argsort(np.abs(firing - firing[chosen[0]])) if j not in chosen][:20]
    rng = np.random.default_rng(0)
    draws = [rng.choice(others, len(chosen), replace=False) for _ in range(20)]
    matched = [reference_skew(readout(x - z[:, draw] @ w[draw])) for draw in draws]
    assert abs(np.mean(matched) - reference_skew(pooled)) <= 0.05


def test_the_sae_explains_its_embeddings_with_few_neurons():
    for name in ("default-image", "default-image-residual", "default-text", "default-text-residual"):
        quality = load_sae(name).quality
        assert quality["fvu"] <= 0.12 and 6 <= quality["l0"] <= 10, name


def test_galleries_are_of_this_model_and_say_where_they_come_from():
    for name in ("default", "default-probe", "default-attire", "default-captions"):
        side = gallery(name).side
        assert gallery(name).fingerprint().weights == backbone().fingerprint(side, "pooled").weights
        assert "drawn" in gallery(name).manifest["provenance"] and "CC0" in gallery(name).manifest["licence"]
    assert gallery("default-captions").n >= 2000


def test_prompt_files_are_those_of_the_world():
    document = json.loads((ASSETS / "prompts" / "planted.json").read_text())
    assert {row["word"]: row["p_male"] for row in document["words"]} == {row.word: row.p_male for row in WORDS}


def test_sizes():
    parts = ("galleries", "models", "saes", "prompts")
    size = sum(file.stat().st_size for part in parts for file in (ASSETS / part).rglob("*") if file.is_file())
    assert size <= 40 * MEGABYTE
    assert (ASSETS / "models" / "default" / "open_clip_model.safetensors").stat().st_size <= 5 * MEGABYTE

"""PCA of gendered professions, uniqueness, steering, top-1 on folders and running cost: what each must find."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse
from PIL import Image

from core.config import Edit, InputError
from core.gallery import Gallery
from core.neurons import codes_of, encode_rows
from core.saes.base import new_sae, sae_config
from core.saes.checkpoint import SAEFile
from core.scene import Scene
from core.studies import STUDIES, StudyRequest
from core.studies.inlp_path import forest
from core.studies.profession_pca import between_share, components, separation
from core.studies.running_cost import operations
from core.studies.uniqueness import jaccard, random_jaccard, top_sets
from core.units import unit
from tests.benchmark.small_world import PROMPTS, small_gallery, small_sae
from tests.ranking.test_heads_of_galleries import built_scene
from tests.studies.test_studies import Prompts, request


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return small_gallery(tmp_path_factory.mktemp("papers"))


# ------------------------------------------------------------------------------------------------ PCA of professions


def test_components_are_the_eigenvectors_of_the_covariance() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 5)) * [3, 2, 1, 0.5, 0.1]
    mean, axes, shares = components(rows)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum())
    np.testing.assert_allclose(np.abs(np.sum(axes * vectors.T[::-1][:2], axis=1)), 1.0)
    np.testing.assert_allclose(mean, rows.mean(axis=0))
    assert (axes[np.arange(2), np.abs(axes).argmax(axis=1)] > 0).all()
    assert not components(np.ones((3, 5)))[2].any()


def test_the_share_between_genders_by_hand() -> None:
    male = np.array([True, True, False, False])
    rows = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert between_share(rows, male) == pytest.approx(0.5), "one of two equal axes is gender"
    assert between_share(np.ones((4, 2)), male) == 0.0
    assert separation(rows[:, 0], male).estimate == separation(-rows[:, 0], male).estimate == 1.0
    assert separation(rows[:, 1], male).estimate == 0.5


def test_gender_is_among_professions_until_a_method_takes_it_out(gallery: Gallery) -> None:
    asked = request(gallery, Prompts(gallery), method="orth-proj")
    result = STUDIES.get("profession-pca")()(asked)
    table = result.table.set_index(["arm", "component"])
    before, after = table.loc[("original", 1)], table.loc[("orth-proj", 1)]
    assert before["between_genders"] > 0.4 and after["between_genders"] < 0.01
    assert table.loc["original", "auc"].max() == 1.0 and table.loc["orth-proj", "auc"].max() < 0.7
    assert len(result.picture.series) == 4 and len(result.picture.series[0].x) == len(PROMPTS)
    with pytest.raises(InputError, match="this study is about a method"):
        STUDIES.get("profession-pca")()(request(gallery, Prompts(gallery)))


# ------------------------------------------------------------------------------------------------ uniqueness


def test_sets_of_the_strongest_items_and_their_overlap_by_hand() -> None:
    z = np.zeros((6, 4))
    z[:, 0] = [5, 4, 3, 2, 1, 0]
    z[:, 1] = [0, 4, 4, 4, 9, 0]  # ties at 4: the earlier rows
    z[:2, 2] = 1  # fires too rarely
    z[:, 3] = [5, 4, 3, 0, 0, 0]
    neurons, sets = top_sets(sparse.csc_matrix(z), np.arange(6), 3)
    assert neurons.tolist() == [0, 1, 3]
    assert [sorted(row.indices.tolist()) for row in sets] == [[0, 1, 2], [1, 2, 4], [0, 1, 2]]
    np.testing.assert_allclose(jaccard(sets), [[1, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 1]])


def test_random_sets_share_what_they_should() -> None:
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        a, b = (set(rng.choice(40, 16, replace=False)) for _ in range(2))
        drawn.append(len(a & b) / len(a | b))
    assert random_jaccard(40) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 4000**0.5)
    assert random_jaccard(16) == 1.0


def test_twins_are_found(gallery: Gallery) -> None:
    """Neurons 0 and 1 fire on men and on women, 2 and 3 on the towns: no item in common; a copied neuron is a twin."""
    sae = small_sae(gallery)
    result = STUDIES.get("uniqueness")()(request(gallery))
    rows = gallery.rows("evaluation")
    codes = codes_of(gallery, sae).csc[rows].toarray()
    table = result.table.set_index("neuron")
    for neuron, row in table.iterrows():
        own, other = (set(np.argsort(-codes[:, j], kind="stable")[:16]) for j in (neuron, int(row["nearest"])))
        assert row["jaccard"] == pytest.approx(len(own & other) / len(own | other))
    doubled = new_sae(sae_config("relu", 12, 16, 4))
    arrays = {name: np.array(getattr(sae.sae, name)) for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    arrays["W_enc"][:, 5], arrays["b_enc"][5] = arrays["W_enc"][:, 0], arrays["b_enc"][0]
    twin = SAEFile(doubled.load_arrays(arrays).frozen(), "twin", "twin" * 16, None)
    found = STUDIES.get("uniqueness")()(replace(request(gallery), scene=Scene(gallery, {"image": twin})))
    pair = found.table.set_index("neuron").loc[[0, 5]]
    assert pair["jaccard"].tolist() == [1.0, 1.0] and pair["nearest"].tolist() == [5, 0]


# ------------------------------------------------------------------------------------------------ steering


def test_turning_a_neuron_on_moves_items_to_its_own(gallery: Gallery) -> None:
    result = STUDIES.get("steering")()(request(gallery))
    table = result.table.set_index("neuron")
    assert (table.loc[[0, 1, 2, 3], "score"] > 0.01).all() and (table.loc[[0, 1, 2, 3], "score_lo"] > 0).all()
    assert table.loc[0, "score"] > table.loc[0, "control"], "neuron 1 stands for the other gender"
    assert result.findings["score"]["estimate"] == pytest.approx(table["score"].mean())


def test_a_steering_score_by_hand(gallery: Gallery) -> None:
    """Neuron 0 writes column 0: x' = x + s e_0, s and m from its 16 strongest probe items."""
    asked = request(gallery)
    codes, x = codes_of(gallery, small_sae(gallery)).csc, gallery.embeddings().astype(float)
    probe, rows = gallery.rows("probe"), gallery.rows("evaluation")
    own = codes[:, [0]].toarray().ravel()
    top = probe[np.argsort(-own[probe], kind="stable")[:16]]
    mean, strength = unit(unit(x[top]).mean(axis=0)), own[top].mean()
    silent = rows[own[rows] == 0]
    some = silent[np.sort(np.random.default_rng([0, 0]).choice(len(silent), 64, replace=False))]
    moved = x[some] + strength * np.eye(12)[0]
    expected = ((unit(moved) - unit(x[some])) @ mean).mean()
    table = STUDIES.get("steering")()(asked).table.set_index("neuron")
    assert table.loc[0, "score"] == pytest.approx(expected, abs=1e-5)


# ------------------------------------------------------------------------------------------------ the path of INLP


def test_leakage_falls_with_the_directions_until_a_line_reads_nothing(gallery: Gallery) -> None:
    table = STUDIES.get("inlp-path")()(request(gallery, attributes=("gender",))).table
    assert table["directions"].tolist() == list(range(len(table))) and len(table) > 2
    assert table["linear_auc"].iloc[0] > 0.99 and table["linear_auc"].iloc[-1] < 0.75
    assert table["cosine"].iloc[0] == pytest.approx(1.0) and (table["cosine"].diff().dropna() < 0).all()


@pytest.mark.parametrize("half", ["all", "probe"])
def test_readers_are_not_asked_on_what_they_are_fitted_on(gallery: Gallery, half: str) -> None:
    with pytest.raises(InputError, match=f"the {half} rows .* are those that readers are fitted on"):
        STUDIES.get("inlp-path")()(replace(request(gallery, attributes=("gender",)), half=half))


def test_a_forest_reads_what_no_line_reads() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    found = forest(x[:300], y[:300], x[300:], y[300:])
    assert found.estimate > 0.9 and found.lo <= found.estimate <= found.hi
    quarters = 2 * (x[:, 0] > 0) + (x[:, 1] > 0)
    four = forest(x[:300], quarters[:300], x[300:], quarters[300:])
    assert four.estimate > 0.95 and four.lo <= four.estimate <= four.hi


# ------------------------------------------------------------------------------------------------ folders and cost


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyRequest, Path]:
    folder = tmp_path_factory.mktemp("classes")
    scene, rng = built_scene(folder), np.random.default_rng(1)
    for name in ("doctor", "young_man"):
        (folder / "classes" / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(
                folder / "classes" / name / f"{i}.png"
            )
    W = unit(rng.normal(size=(32, 24))).astype(np.float32)
    sae = new_sae(sae_config("relu", 24, 32, 4)).load_arrays(
        {"W_enc": W.T, "b_enc": np.zeros(32, np.float32), "W_dec": W, "b_dec": np.zeros(24, np.float32)}
    )
    scene = replace(scene, saes={"image": SAEFile(sae.frozen(), "made", "5" * 64, scene.gallery.fingerprint())})
    asked = StudyRequest(scene, ("colour",), ("a photo of a doctor",), {"image": Edit((0, 3))}, k=10)
    return replace(asked, root=folder / "classes"), folder


def test_alpha_0_is_the_untouched_model_on_a_folder_of_classes(built) -> None:
    asked, folder = built
    table = STUDIES.get("class-folders")()(asked).table.set_index("alpha")
    model, files = asked.scene.model, sorted((folder / "classes").glob("*/*.png"))
    images = unit(model.encode_images([Image.open(file) for file in files])["pooled"])
    texts = [f"a {what} of a {name}" for name in ("doctor", "young man") for what in ("photo", "picture")]
    heads = unit(unit(model.encode_texts(texts)["pooled"]).reshape(2, 2, -1).mean(axis=1))
    truth = [file.parent.name == "young_man" for file in files]
    assert table.loc[0.0, "top1"] == np.mean(np.argmax(images @ heads.T, axis=1) == truth)
    assert table.loc[0.0, "change"] == 0.0 and (table["n"] == 16).all()
    x = model.encode_images([Image.open(file) for file in files])["pooled"]
    sae = asked.scene.saes["image"].sae
    z = encode_rows(x, sae).toarray()
    z[:, [0, 3]] = 0
    edited = unit(z @ np.array(sae.W_dec) + np.array(sae.b_dec))
    assert table.loc[1.0, "top1"] == np.mean(np.argmax(edited @ heads.T, axis=1) == truth)
    with pytest.raises(InputError, match="give --root DIR"):
        STUDIES.get("class-folders")()(replace(asked, root=None))
    with pytest.raises(InputError, match="no folder a class"):
        STUDIES.get("class-folders")()(replace(asked, root=folder / "classes" / "doctor"))


def test_operations_are_two_for_every_product() -> None:
    import torch

    a, b = torch.randn(7, 11), torch.randn(11, 5)
    assert operations(lambda: a @ b) == 2 * 7 * 11 * 5


def test_every_step_has_its_time_and_the_towers_their_operations(built) -> None:
    asked, _ = built
    result = STUDIES.get("running-cost")()(asked)
    table = result.table.set_index("step")
    assert {"image tower: a picture", "text tower: a prompt", "SAE: encoding an item", "neuron-edit: an item"} <= set(
        table.index
    )
    assert (table["microseconds_lo"] <= table["microseconds"]).all()
    assert (table["microseconds"] <= table["microseconds_hi"]).all() and (table["microseconds"] > 0).any()
    patches, width, layers = 17, 48, 3
    least = layers * patches * 2 * (4 * width**2 + 2 * width * 4 * width) * 0.5
    assert table.loc["image tower: a picture", "flops_per_sample"] > least
    assert table.loc["SAE: encoding an item", "flops_per_sample"] == 2 * 24 * 32
    assert pd.isna(table.loc["neuron-edit: an item", "flops_per_sample"]) and result.findings["fit_seconds"] >= 0

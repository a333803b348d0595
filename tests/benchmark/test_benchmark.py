"""Benchmarks: every protocol on every arm, independence of order, resumption, exports, published numbers beside."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.benchmark import PROTOCOLS, BenchmarkResult, World, arm_names, find_arm, run_benchmark
from core.benchmark import run as running
from core.benchmark.measures import worst_cell
from core.benchmark.published import beside, beside_table, read_published
from core.config import ASSETS, InputError
from core.gallery import Gallery
from core.scene import Scene
from tests.benchmark.small_world import CLASSES, CONTROLS, PROMPTS, small_gallery, small_sae, small_world
from tests.recorded import ORACLES

QUICK = ["identity", "mean-difference", "neuron-edit-rule", "neuron-edit-per-query"]
PUBLISHED = ORACLES / "sem_published_results.csv"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return small_gallery(tmp_path_factory.mktemp("benchmark"))


def text_of(result: BenchmarkResult) -> str:
    return json.dumps(result.to_json(), sort_keys=True)


# ------------------------------------------------------------------------------------------------- every protocol


@pytest.mark.parametrize("protocol", PROTOCOLS.names())
def test_every_protocol_fills_its_columns_or_says_why(gallery: Gallery, protocol: str) -> None:
    result = run_benchmark(protocol, [small_world(gallery)], [*QUICK, "sem-b"])
    keys = {column.key for column in PROTOCOLS.get(protocol).columns}
    assert PROTOCOLS.get(protocol).skew in keys and PROTOCOLS.get(protocol).cost in keys
    for cell in result.cells[:-1]:
        assert cell.refused is None and set(cell.values) == keys
        for estimate in cell.values.values():
            assert (estimate.estimate is None) == (estimate.reason is not None)
            if estimate.estimate is not None and estimate.lo is not None:
                assert estimate.lo <= estimate.estimate <= estimate.hi and estimate.n
    assert "text SAE" in result.cells[-1].refused and not result.cells[-1].values
    skew = PROTOCOLS.get(protocol).skew
    before, _, edited, _ = (cell.values[skew].estimate for cell in result.cells[:-1])
    assert edited < before / 2, "the two neurons that carry gender are the rule's"


@pytest.mark.parametrize("protocol", PROTOCOLS.names())
def test_order_and_repetition_do_not_matter(gallery: Gallery, protocol: str) -> None:
    one = run_benchmark(protocol, [small_world(gallery)], QUICK)
    turned = small_world(gallery, prompts=PROMPTS[::-1], controls=CONTROLS[::-1])
    two = run_benchmark(protocol, [turned], [*QUICK[::-1], QUICK[0]])
    cells = {cell.arm: cell.to_json() for cell in two.cells}
    assert len(two.cells) == len(QUICK)
    assert [cell.to_json() for cell in one.cells] == [cells[cell.arm] for cell in one.cells]


def test_the_untouched_model_costs_nothing(gallery: Gallery) -> None:
    (cell,) = run_benchmark("default", [small_world(gallery)], ["identity"]).cells
    values = {key: estimate.estimate for key, estimate in cell.values.items()}
    assert values["cosine"] == values["query_cosine"] == 1.0 and values["loss"] == 0.0
    assert values["leakage"] > 0.99, "column 0 carries gender"
    band = cell.values["skew"].null
    assert band is not None and band.lo < band.hi < values["skew"]
    assert set(cell.by_prompt) == set(PROMPTS)
    assert values["skew"] == pytest.approx(np.mean(list(cell.by_prompt.values())))


def test_a_set_per_query_leaves_other_queries_alone(gallery: Gallery) -> None:
    original, edited = run_benchmark("default", [small_world(gallery)], ["identity", "neuron-edit-per-query"]).cells
    for key in ("control", "others", "explicit"):
        assert original.values[key].estimate == edited.values[key].estimate
    assert edited.values["skew"].estimate < original.values["skew"].estimate


def test_explicit_queries_are_the_area_under_the_curve_of_the_worst_found_group(gallery: Gallery) -> None:
    world = small_world(gallery)
    original, even = run_benchmark("default", [world], ["identity", "mean-difference"]).cells
    rows = gallery.rows("evaluation")
    x, labels = gallery.embeddings()[rows].astype(np.float64), gallery.labels("gender")[rows]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    areas = []
    for group, texts in world.class_prompts.prompts("gender").items():
        q = gallery.prompt_embedding(texts[0])
        scores = x @ (q / np.linalg.norm(q))
        pairs = scores[labels == group][:, None] - scores[labels != group][None]
        areas.append(float((pairs > 0).mean() + (pairs == 0).mean() / 2))
    assert original.values["explicit"].estimate == pytest.approx(min(areas), abs=1e-3)
    assert even.values["explicit"].estimate < original.values["explicit"].estimate - 0.1


# ------------------------------------------------------------------------------------- SEM's protocol, literally


def literal(gallery: Gallery, k: int, rows: np.ndarray) -> dict[str, list[float]]:
    """The authors' loop: one shuffle after the other, shares of the half, means over queries and halves."""
    x, labels = gallery.embeddings()[rows], gallery.labels("gender")[rows]
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.random.seed(42)
    order, found = np.arange(len(rows)), {"kl": [], "max_skew": []}
    for _ in range(10):
        np.random.shuffle(order)
        half = np.sort(order[int(len(order) * 0.5) :])
        prior = {g: (labels[half] == g).mean() for g in ("Male", "Female")}
        for prompt in PROMPTS:
            q = gallery.prompt_embedding(prompt)
            top = half[np.argsort(-(x[half] @ (q / np.linalg.norm(q))), kind="stable")[:k]]
            kl, skew = 0.0, 0.0
            for g, share in prior.items():
                p = (labels[top] == g).mean()
                kl += p * math.log(max(p / share, 1e-10))
                skew = max(skew, math.log(max(p / share, 1e-10)))
            found["kl"].append(kl)
            found["max_skew"].append(skew)
    return found


def test_sem_is_the_authors_loop(gallery: Gallery) -> None:
    (cell,) = run_benchmark("sem", [small_world(gallery, k=30)], ["identity"]).cells
    for name, values in literal(gallery, 30, gallery.rows("evaluation")).items():
        estimate = cell.values[name]
        half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
        assert estimate.n == 30
        np.testing.assert_allclose(
            [estimate.estimate, math.sqrt(estimate.hi)],
            # Student's half, on the square-root scale of what cannot be negative
            [np.mean(values), math.sqrt(np.mean(values)) + half / (2 * math.sqrt(np.mean(values)))],
            rtol=1e-6,
        )


def test_published_folds_are_used_where_the_gallery_holds_them(tmp_path: Path) -> None:
    gallery = small_gallery(tmp_path, "folded")
    world = small_world(gallery, half="all", k=20)
    (before,) = run_benchmark("sem", [world], ["identity"]).cells
    np.save(gallery.path / "folds.npy", np.stack([np.arange(0, 200), np.arange(200, 400)]).astype(np.uint32))
    (after,) = run_benchmark("sem", [world], ["identity"]).cells
    assert (before.values["kl"].n, after.values["kl"].n) == (30, 6)


def test_precision_of_queries_that_say_what_they_name(gallery: Gallery) -> None:
    named = {"a photo of a pilot": {"gender": "Male"}}
    (cell,) = run_benchmark("sem", [small_world(gallery, relevant=named, k=10)], ["identity"]).cells
    assert cell.values["precision"].estimate > 0.9 and cell.values["precision"].n == 10
    wrong = {"a photo of a pilot": {"gender": "Other"}}
    (cell,) = run_benchmark("sem", [small_world(gallery, relevant=wrong, k=10)], ["identity"]).cells
    assert "names gender 'Other', which no row has" in cell.refused


def test_worst_cell_by_hand() -> None:
    right, cell = np.array([1, 1, 0, 1, 0, 0, 1]) == 1, np.array([0, 0, 0, 2, 2, 2, -1])
    overall, worst, gap = worst_cell(right, cell)
    assert (overall.estimate, overall.n) == (0.5, 6) and (worst.estimate, worst.n) == (pytest.approx(1 / 3), 3)
    assert gap.estimate == pytest.approx(1 / 6)


def test_a_k_larger_than_a_half_is_a_reason(gallery: Gallery) -> None:
    (cell,) = run_benchmark("sem", [small_world(gallery, k=500)], ["identity"]).cells
    assert "expected at most 100, the rows of a half" in cell.refused


# --------------------------------------------------------------------------------------------------- resumption


def test_an_interrupted_run_goes_on_and_gives_the_same_files(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_benchmark("debiaslens", [small_world(gallery)], QUICK, tmp_path / "whole")
    measured, original = [], running._cell

    def counted(protocol, world, arm, out):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(arm.name)
        return original(protocol, world, arm, out)

    monkeypatch.setattr(running, "_cell", counted)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark("debiaslens", [small_world(gallery)], QUICK, tmp_path / "parts")
    assert not (tmp_path / "parts" / "benchmark.json").exists()
    monkeypatch.setattr(running, "_cell", original)
    asked = []
    protocol = PROTOCOLS.get("debiaslens")
    measure = protocol.measure
    monkeypatch.setattr(
        protocol, "measure", lambda self, w, a, p=None: asked.append(a.arm.name) or measure(self, w, a, p)
    )
    with pytest.raises(InputError, match="exists already; give --resume"):
        run_benchmark("debiaslens", [small_world(gallery)], QUICK, tmp_path / "parts")
    resumed = run_benchmark("debiaslens", [small_world(gallery)], QUICK, tmp_path / "parts", resume=True)
    assert asked == QUICK[2:] and text_of(resumed) == text_of(whole)
    for name in ("benchmark.csv", "benchmark.tex", "benchmark.json", "trade-off.svg"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_setting_is_another_cell(gallery: Gallery, tmp_path: Path) -> None:
    for k in (20, 30):
        run_benchmark("debiaslens", [small_world(gallery, k=k)], ["identity"], tmp_path / "out", resume=True)
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 2


def test_what_cannot_be_run_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    world = small_world(gallery)
    for arguments, words in (
        (("default", [world], ["sem"]), "unknown method 'sem'; known: identity"),
        (("deflaut", [world], ["identity"]), "did you mean 'default'"),
        (("default", [world], []), "at least one gallery and one method"),
        (("default", [world, world], ["identity"]), "two galleries are called small"),
    ):
        with pytest.raises(InputError, match=words):
            run_benchmark(*arguments)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no benchmark"):
        run_benchmark("default", [world], ["identity"], tmp_path, resume=True)
    with pytest.raises(InputError, match="at least one query"):
        World(Scene(gallery), "gender", ())


# ------------------------------------------------------------------------------------------------------ exports


def test_several_backbones_make_one_table(gallery: Gallery, tmp_path: Path) -> None:
    other = small_gallery(tmp_path, "other_one", seed=1)
    result = run_benchmark("debiaslens", [small_world(gallery), small_world(other)], QUICK[:2])
    table = result.table()
    assert table["gallery"].tolist() == ["small", "small", "other_one", "other_one"] and table["max_skew_n"].eq(3).all()
    tex = result.latex()
    assert tex.count(r"\\") == 1 + 2 + 4 and r"other\_one" in tex and "MaxSkew x 100" in tex
    assert len(result.trade_off().series) == 2


def test_a_result_reads_back(gallery: Gallery, tmp_path: Path) -> None:
    result = run_benchmark("default", [small_world(gallery)], [*QUICK, "sem-b"], tmp_path / "out")
    assert text_of(BenchmarkResult.load(tmp_path / "out")) == text_of(result)
    assert pd.read_csv(tmp_path / "out" / "benchmark.csv")["refused"].notna().tolist() == [False] * 4 + [True]
    (tmp_path / "out" / "benchmark.json").write_text('{"schema": 9}')
    with pytest.raises(InputError, match="holds no benchmark of schema 2"):
        BenchmarkResult.load(tmp_path / "out")


def test_every_arm_has_words() -> None:
    for name in arm_names():
        arm = find_arm(name)
        assert (arm.title and arm.words and arm.digest != find_arm("identity").digest) or name == "identity"


# ---------------------------------------------------------------------------------------------- published numbers


def test_published_numbers_stand_beside_where_data_and_model_are_the_same(gallery: Gallery, tmp_path: Path) -> None:
    table = tmp_path / "published.csv"
    setting = "query=stereotype|bias=gender|K=40"
    rows = [
        ("fairface", setting, "RN50", "vanilla", "", "max_skew", 0.61, 0.02),
        ("fairface", setting, "RN50", "prism", 0, "kl", 0.2, 0.1),
        ("fairface", setting, "RN50", "prism", 1, "kl", 0.4, 0.1),
        ("fairface", setting, "RN101", "vanilla", "", "kl", 9.0, 0.1),
        ("celeba", setting, "RN50", "vanilla", "", "kl", 9.0, 0.1),
    ]
    names = ["dataset", "setting", "backbone", "method", "seed", "metric", "mean", "ci"]
    pd.DataFrame(rows, columns=names).to_csv(table, index=False)
    result = run_benchmark("sem", [small_world(gallery)], QUICK)
    assert beside(result, [gallery], read_published(table), "gender", 40) == []

    class Named(Gallery):
        @property
        def manifest(self):
            said = super().manifest
            said["source"] = "SEM's layout: FairFace, CLIP_RN50_embeddings.npy"
            return said

        def fingerprint(self, attach="pooled"):
            from dataclasses import replace

            return replace(super().fingerprint(attach), model="RN50-quickgelu:openai")

    (pair,) = beside(result, [Named(gallery.path)], read_published(table), "gender", 40)
    assert (pair.method, pair.metric, pair.published.estimate) == ("identity", "max_skew", 0.61)
    ours = result.cells[0].values["max_skew"]
    assert pair.difference == pytest.approx(ours.estimate - 0.61) and pair.agrees == (ours.lo <= 0.63)
    assert beside_table([pair])["published_hi"].tolist() == [pytest.approx(0.63)]
    published = read_published(table)
    assert published.loc[published["method"] == "prism", "mean"].tolist() == [pytest.approx(0.3)]
    table.write_text(table.read_text().replace("0.2,0.1", "0.2 (SD),0.1"))
    with pytest.raises(InputError, match=r"row \d has mean '0.2 \(SD\)'; expected a number"):
        read_published(table)
    table.write_text("dataset,setting\n")
    with pytest.raises(InputError, match="lacks the columns backbone, method"):
        read_published(table)


def test_the_published_table_reads() -> None:
    table = read_published(PUBLISHED)
    assert len(table) == 816 and {"identity", "sem-bi", "bendsem"} <= set(table["method"])
    assert set(table["method"]) - {"zsdebias"} <= set(arm_names())


# ----------------------------------------------------------------------------------------------- the shipped table


AGAIN = (
    *("identity", "mean-difference", "orth-proj", "roboshot", "prism", "bendvlm"),
    *("closed-form", "difference-projection", "leace", "leace-text", "wring", "neuron-edit-rule"),
)
"""Arms that are measured again: the cheap ones, and those that rounding used to decide."""
SAME = 2e-3
"""What another processor may change: four of 2,016 rows on the other side of a boundary, or one pair of ties at k in
ten prompts."""


@pytest.mark.shipped
@pytest.mark.skipif(not (ASSETS / "benchmarks" / "default.json").is_file(), reason="no table is shipped")
def test_the_shipped_table_is_what_the_shipped_world_gives() -> None:
    from core.backbones.open_clip_models import load_backbone
    from core.benchmark.worlds import usual_world
    from core.gallery import open_gallery

    shipped = BenchmarkResult.load(ASSETS / "benchmarks" / "default.json")
    world = usual_world(Scene(open_gallery("default"), model=load_backbone("default")), "default", half="evaluation")
    assert shipped.settings["default"] == json.loads(json.dumps(world.to_json()))
    assert {cell.arm for cell in shipped.cells} == set(arm_names()), "every method is in the shipped table"
    kept = {cell.arm: cell for cell in shipped.cells}
    for cell in run_benchmark("default", [world], AGAIN).cells:
        assert cell.refused == kept[cell.arm].refused and cell.values.keys() == kept[cell.arm].values.keys()
        for key, estimate in cell.values.items():
            known = kept[cell.arm].values[key]
            for end in ("estimate", "lo", "hi"):
                same = pytest.approx(getattr(known, end), abs=SAME)
                assert getattr(estimate, end) == same, (cell.arm, key, end)
            assert (estimate.n, estimate.reason) == (known.n, known.reason)
    assert sum("is bounded by half of what deleting" in note for note in kept["closed-form"].notes) == 2
    assert any("means over 3 seeds, whose skew is" in note for note in kept["zsdebias"].notes)
    assert any("silences heads" in note for note in kept["head-ablation"].notes)


def test_class_prompts_belong_to_the_world(gallery: Gallery) -> None:
    with_prompts, without = small_world(gallery), small_world(gallery, class_prompts=None)
    assert with_prompts.digest != without.digest and CLASSES.digest in str(with_prompts.to_json())
    (cell,) = run_benchmark("default", [without], ["identity"]).cells
    assert cell.values["others"].reason == "no class prompts of another attribute were given"
    assert small_sae(gallery).digest in str(with_prompts.to_json())

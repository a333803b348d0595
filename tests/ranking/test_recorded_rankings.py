"""Whole answers of rankings, controls, costs, sweeps and lists, as recorded: every field, whoever reads it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import ranking
from core.config import Edit
from core.interventions import INTERVENTIONS
from core.prompts import OPEN, Paraphrases, shipped_book
from core.ranking import RankRequest
from core.ranking.classification import classification
from core.ranking.fitting import Fitter
from core.ranking.performance import performance, performance_of, relevant_rows
from core.ranking.robustness import robustness
from core.ranking.sweep import sweep
from core.ranking.two_lists import two_lists
from core.scene import Scene
from core.zeroshot import PromptSet
from tests.as_recorded import Recording
from tests.tiny import QUERY, TinyBackbone, TinyGallery, busy_neurons, sae_file

RECORDED = Recording(Path(__file__).with_name("recorded.json"))
FILES = {f"{side} {attach}": sae_file(side, attach) for side in ("image", "text") for attach in ("pooled", "residual")}
BUSY = busy_neurons(TinyGallery(), FILES["image pooled"], 4)
BOOK = replace(
    shipped_book(OPEN),
    paraphrases=Paraphrases.from_json({"openings": ["a photo of"], "templates": ["an image of {}", "xyzzy {}"]}),
)
CLASSES = PromptSet.from_json(
    {
        "schema": 1,
        "templates": ["a photo of {}", "a picture of {}"],
        "attributes": {
            "gender": {"Male": ["a man"], "Female": ["a woman"]},
            "size": {"big": ["a big one"], "small": ["a small one"]},
        },
    },
    "test",
)


class Plain(TinyGallery):
    """One without pictures."""

    has_thumbs, path = False, Path("plain")

    def components(self, attribute: str) -> list[str]:
        return [attribute]


class Filmed(Plain):
    """Four rows in a row belong to a film."""

    together = "film"

    def clusters(self) -> np.ndarray:
        return np.arange(self.n) // 4

    def labels(self, attribute: str) -> np.ndarray:
        if attribute == "film":
            return np.array([f"film {i // 4}" for i in range(self.n)], dtype=object)
        return super().labels(attribute)


PLAIN, WORDS, FILMED = Plain(), Plain("captions"), Filmed()


def scene_of(gallery: TinyGallery = PLAIN, attach: str = "pooled", model: Any = None) -> Scene:
    return Scene(gallery, {side: FILES[f"{side} {attach}"] for side in ("image", "text")}, model or TinyBackbone())


def request(**choices: Any) -> RankRequest:
    return RankRequest(**({"attribute": "gender", "query": QUERY, "k": 14, "null_draws": 60, "seed": 3} | choices))


def off(*neurons: int, side: str = "image", **manner: Any) -> dict[str, Edit]:
    return {side: Edit(neurons or BUSY[:2], **manner)}


# -- one query ---------------------------------------------------------------------------------------------------------


def ranked(gallery: TinyGallery, attach: str, choices: dict[str, Any]) -> dict[str, Any]:
    return ranking.rank(scene_of(gallery, attach), request(**choices)).to_json()


RANKED = [
    (PLAIN, "pooled", {}),
    (PLAIN, "pooled", {"edits": off(strength=0.6, gamma=0.1), "target": "uniform"}),
    (PLAIN, "residual", {"edits": off(form="blend"), "target": {"Female": 0.3, "Male": 0.7}, "half": "evaluation"}),
    (PLAIN, "residual", {"edits": off() | off(side="text"), "k": 40}),
    (PLAIN, "pooled", {"attribute": "size", "where": {"gender": "Male"}, "edits": off(), "k": 20}),
    (PLAIN, "pooled", {"method": "mean-difference", "k": 40, "half": "evaluation", "where": {"size": "big"}}),
    (PLAIN, "pooled", {"method": "identity", "k": 47, "where": {"gender": "Male", "size": "big"}}),
    (WORDS, "pooled", {"edits": off(side="text"), "query": "a photo of a nurse"}),
    (FILMED, "pooled", {"edits": off(*BUSY), "k": 60, "half": "evaluation"}),
    (PLAIN, "pooled", {"query": None, "query_embedding": np.linspace(-1, 1, 12), "k": 30}),
]
RECORDED.case(ranked, RANKED)


def side_by_side() -> Any:
    first, second = (
        ranking.rank(scene_of(), request(**given, k=30))
        for given in ({"edits": off()}, {"query": "a photo of a nurse"})
    )
    return [two_lists(*pair).to_json() for pair in ((first, second), (second, first), (first, first))]


RECORDED.case(side_by_side)


# -- what stands beside it ---------------------------------------------------------------------------------------------


def controlled(prompts: list[str], choices: dict[str, Any]) -> dict[str, Any]:
    told: list[Any] = []
    found = ranking.controls(
        scene_of(), request(edits=off(), **choices), prompts, 3, progress=lambda *said: told.append(said)
    )
    return found.to_json() | {"told": told}


RECORDED.case(controlled, [([], {}), (["a photo of a nurse", "a baker"], {"target": "uniform", "half": "evaluation"})])


def costed(edited: list[str] | None, explicit: dict[str, str] | None, choices: dict[str, Any]) -> dict[str, Any]:
    told: list[Any] = []
    asked = request(**choices)
    found = ranking.utility_cost(scene_of(), asked, CLASSES, explicit, edited, progress=lambda *said: told.append(said))
    return found.to_json() | {"told": told}


RECORDED.case(
    costed,
    [
        (None, None, {"edits": off()}),
        ([], {"a photo of a nurse": "Female"}, {"edits": off(side="text"), "half": "evaluation"}),
    ],
)


def swept(over: str, values: list[float], choices: dict[str, Any]) -> dict[str, Any]:
    told: list[Any] = []
    asked = request(edits=off() | off(side="text"), **choices)
    found = sweep(scene_of(), asked, over, values, "kl", progress=lambda *said: told.append(said))  # type: ignore[arg-type]
    return found.to_json() | {"told": told[-1]}


RECORDED.case(swept, [("strength", [1, 0.5, 0, 1], {}), ("alpha", [0.3], {}), ("k", [30, 10], {"target": "uniform"})])


def varied(choices: dict[str, Any]) -> Any:
    asked = request(prompts=BOOK, **choices)
    found = robustness(scene_of(), asked, [QUERY, "a photo of a nurse", QUERY])
    return [[one.to_json() for one in found.prompts], found.notes, found.picture_cosine]


RECORDED.case(varied, [({"k": 60},), ({"k": 120, "edits": off()},)])


def classified(attribute: str, choices: dict[str, Any]) -> dict[str, Any]:
    return classification(scene_of(), request(attribute=attribute, **choices), CLASSES, "size").to_json()


RECORDED.case(classified, [("gender", {}), ("gender", {"edits": off()}), ("size", {"edits": off(side="text")})])


def performed(choices: dict[str, Any], asked: dict[str, str]) -> Any:
    found = ranking.rank(scene_of(), request(**choices))
    return performance(PLAIN, found, asked).to_json(), relevant_rows(PLAIN, asked).sum()  # type: ignore[arg-type]


RECORDED.case(
    performed,
    [
        ({"k": 80}, {"size": "small"}),
        ({"k": 150, "edits": off()}, {"size": "big"}),
        ({"attribute": "size", "edits": off()}, {"gender": "Male"}),
    ],
)


def measured(seed: int, n_groups: int) -> Any:
    rng = np.random.default_rng(seed)
    labels, relevant = rng.integers(-1, n_groups, 120), rng.integers(-1, 2, 120)
    tops = [rng.permutation(120)[:30] for _ in range(2)]
    return performance_of(tops[: 1 + seed % 2], labels, relevant, tuple("abcd"[:n_groups])).to_json()


RECORDED.case(measured, [(0, 2), (1, 3), (3, 4)])


# -- what methods are fitted on ----------------------------------------------------------------------------------------


def fitted(attach: str, given: dict[str, Any]) -> Any:
    fitter = Fitter(scene_of(attach=attach), request(prompts=BOOK, **given))
    found: list[Any] = [fitter.groups, {g: [t.word, t.prompts] for g, t in fitter.group_texts.items()}]
    for name in INTERVENTIONS:
        plan, method = fitter.plan(name), INTERVENTIONS.get(name)
        said = {role: [len(one.texts), one.texts[:3], one.sizes] for role, one in plan.said.items()}
        found.append(
            [name, said, fitter.missing(name), dict(plan.missing), fitter.attaches(method), fitter.side(method)]
        )
        found.append(None if plan.labelled is None else [len(plan.labelled.rows), int(plan.labelled.labels.sum())])
    return found


RECORDED.case(fitted, [("pooled", {}), ("residual", {"half": "evaluation", "where": {"size": "big"}})])


def moved_queries(method: str, attach: str) -> Any:
    found = ranking.rank(scene_of(attach=attach), request(method=method, prompts=BOOK, k=10))
    assert found.after is not None and found.difference is not None
    return [
        found.after.rows,
        found.after.scores,
        found.difference.query_cosine,
        found.difference.rows_changed,
        found.notes,
    ]


QUERY_METHODS = [name for name in INTERVENTIONS if INTERVENTIONS.get(name).changes in ("query", "both")]
RECORDED.case(moved_queries, [(name, "pooled") for name in QUERY_METHODS if name != "prism"])


@pytest.mark.parametrize("name", RECORDED.made)
def test_as_recorded(name: str) -> None:
    RECORDED.check(name)


if __name__ == "__main__":
    RECORDED.write()

"""Two authors, one number: the report's and the second author's agree in made-up worlds and in the shipped one."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.audit.arms import Ranked
from core.audit.findings import findings
from core.audit.numbers import arm_numbers, part_numbers, prompt_numbers
from core.audit.run import _with_targets, run
from core.audit.spec import AuditSpec
from core.config import InputError
from core.metrics import target_distribution
from core.ranking.rows import Part
from core.report import write_report
from core.statistics import auc_difference, auc_estimate, depth_for, leakage
from core.verify import verify
from core.verify.compared import compared
from core.verify.own.accuracy import accuracy_document, answers_of
from core.verify.own.areas import area_change, area_of, leakage_values
from core.verify.own.findings import findings_list
from core.verify.own.numbers import attribute_document, family
from core.verify.own.searched import Searched
from core.zeroshot import difference, evaluate


@pytest.fixture(autouse=True)
def no_rounding_is_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.verify.compared.ROUNDED", {})


def agree(one: Any, other: Any) -> int:
    """Fails where two documents differ; the number of values compared."""
    lines = list(compared(*(json.loads(json.dumps(document)) for document in (one, other))))
    assert [line for line in lines if line] == []
    return len(lines)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", [0, 2, 3, 6, 10, 14, 17, 25, 31, 94])
def test_all_numbers_of_a_made_up_audit(seed: int) -> None:
    """1 to 6 groups, from 1 retrieved row to all, unknown rows up to half, three kinds of target, 1 to 3 prompts."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.choice([12, 40, 200, 600])), int(rng.choice([1, 2, 5, 20, 60, 1000]))
    drawn = rng.choice(int(rng.integers(1, 7)), size=n)
    drawn[rng.random(n) < rng.choice([0.0, 0.1, 0.5])] = -1
    labels = np.unique(np.append(drawn, -1), return_inverse=True)[1][:-1] - 1
    groups = tuple(f"g{g}" for g in range(labels.max() + 1))
    k, counts = min(k, n), tuple(np.bincount(labels[labels >= 0]).tolist())
    own_shares = dict(zip(groups, rng.dirichlet(np.full(len(groups), 3.0)).tolist(), strict=True))
    named = ("uniform", "gallery", own_shares)[seed % 3]
    target = target_distribution(named, groups, counts)
    part = Part(np.arange(n) + 100, "made up", groups, labels.astype(np.int16), counts, target)
    searched = Searched(part.rows, groups, labels, tuple(target.tolist()), named)
    prompts = tuple(f"prompt {i}" for i in range(int(rng.integers(1, 4))))
    edited = seed % 4 != 3
    arms = ["original", *(["edited"] if edited else [])]
    controls = ["reconstruction only", "random 1", "random 2", "mean-difference projection"] if edited else []
    ranked = {}
    for prompt in (*prompts, "another"):
        names = (*arms, *(controls if prompt != "another" else ()))
        scores = rng.normal(size=n) + rng.choice([0, 1.5]) * (labels == 0)
        noise = [0.0, float(rng.choice([0, 0.3, 2.0])), *[0.2] * 4]
        rows = [np.argsort(-(scores + noise[i] * rng.normal(size=n)))[: depth_for(k)] for i in range(len(names))]
        facts = [tuple(values.tolist()) for values in (rng.integers(0, n, 9), rng.random(9), rng.random(9))]
        ranked[prompt] = Ranked(names, np.stack(rows), *facts, (0,) * 9)
    asked = {"k": k, "seed": seed, "prompts": prompts, "exploratory_prompts": ("another",), "attributes": ("a",)}
    asked |= {"all_prompts": (*prompts, "another"), "edit": {} if edited else None, "method": "neuron-edit"}
    spec: Any = SimpleNamespace(**asked, methods=(), target_of=lambda _: named, tests=lambda kind: family(spec, kind))
    nothing: dict[str, list[str]] = {"original": [], "edited": []}
    first = {
        "attribute": "a",
        "part": part_numbers(part, named),
        "edits": [],
        "prompts": [prompt_numbers(spec, "a", text, part, one, nothing) for text, one in ranked.items()],
        "arms": arm_numbers(spec, "a", part, {text: ranked[text] for text in prompts}),
    }
    second = attribute_document(spec, "a", searched, ranked, [], lambda rows: [])
    assert agree([first, findings([first])], [second, findings_list([second])]) > 100


@pytest.mark.parametrize("seed", range(12))
def test_accuracies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_groups, n_classes = int(rng.choice([8, 40, 300, 3000])), int(rng.integers(1, 9)), int(rng.integers(2, 7))
    names, classes = [f"c{g}" for g in range(n_groups)], [f"c{g}" for g in range(1, n_classes + 1)]
    numbers = np.where(rng.random(n) < 0.1, -1, rng.choice(n_groups, p=rng.dirichlet(np.ones(n_groups)), size=n))
    labels = [names[g] if g >= 0 else None for g in numbers]
    truth = np.array([classes.index(label) if label in classes else -1 for label in labels])
    before = np.where(rng.random(n) < rng.choice([1.0, 0.9, 0.5]), truth, rng.integers(0, n_classes, n))
    after = np.where(rng.random(n) < rng.choice([1.0, 0.8]), before, rng.integers(0, n_classes, n))
    answers, unknown, outside = answers_of(numbers, names, classes, [before, after])
    if answers is None:
        with pytest.raises(InputError):
            evaluate(before, labels, classes, "x")
        return
    old, new = (evaluate(given, labels, classes, "x") for given in (before, after))
    arms = {"before": old, "after": new, "difference": difference(old, new, seed=seed)}
    first = _with_targets({name: arm.to_json() for name, arm in arms.items()})
    agree(first, accuracy_document("x", answers, unknown, outside, seed))


@pytest.mark.parametrize("seed", range(30))
def test_areas(seed: int) -> None:
    """Continuous scores, whole ones and codes that are 0 on most rows; few rows and many, one kind absent too."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([3, 8, 40, 300, 3000]))
    positive = rng.random(n) < rng.choice([0.02, 0.3, 0.5])
    scores = rng.normal(size=n) + positive * rng.choice([0, 1, 5])
    scores = (np.round(scores), np.maximum(scores - 1, 0), scores)[seed % 3]
    moved = scores + (rng.random(n) < rng.choice([0.0, 0.1, 1.0])) * rng.normal(size=n)
    before, after = scores.astype(np.float32), moved.astype(np.float32)
    first = [auc_estimate(before, positive).to_json(), auc_difference(before, after, positive).to_json()]
    agree(first, [area_of(before, positive), area_change(before, after, positive)])


@pytest.mark.parametrize("seed", range(8))
def test_leakage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_groups, d = int(rng.choice([8, 60, 300])), int(rng.integers(1, 5)), int(rng.choice([4, 20]))
    labels = np.unique(rng.integers(0, n_groups, n), return_inverse=True)[1]
    x = (rng.normal(size=(n, d)) + rng.choice([0, 1, 8]) * np.eye(n_groups, d)[labels]).astype(np.float32)
    y = x * np.where(np.arange(d) == 0, (1.0, 0.0, 0.5)[seed % 3], 1.0).astype(np.float32)
    agree([one.to_json() for one in leakage(x, y, labels, seed)], list(leakage_values(x, y, labels, seed)))


def test_the_shipped_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gender and age, an edit of each prompt, headline and exploratory prompts: every value to 1e-9."""
    monkeypatch.setattr("core.verify.compared.ROUNDED", {"leakage": 1e-6})
    spec = {"schema": 2, "gallery": "default", "sae": "default-image", "attributes": ["gender", "age"], "k": 60}
    spec |= {"prompts": ["a photo of a nurse", "a photo of a pilot"], "exploratory_prompts": ["a photo of a teacher"]}
    spec |= {"edit": {"select": "attribution", "size": 8, "per_query": True}}
    found = verify(write_report(run(AuditSpec.from_json(spec)), tmp_path / "report"))
    assert found.differences == () and found.numbers > 5000

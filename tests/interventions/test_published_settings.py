"""Settings that papers or docstrings state as numbers: what is printed there is what is used."""

import pytest

from core.interventions import (
    INTERVENTIONS,
    bend,
    clip_clip,
    closed_form,
    controls,
    head_ablation,
    inlp,
    leace,
    orth_cali,
    prism,
    sfid,
    sp_topk,
    zsdebias_network,
)

STATED = {
    bend: {"NEIGHBOURS": {2: 100}, "NEIGHBOURS_ELSE": 10},
    clip_clip: {"KEPT": 400, "OF_COLUMNS": 512, "BINS": 64, "SMOOTHED": 1.0},
    closed_form: {"CUT": 1e-6, "LEAST": 1e-6},
    controls: {"NEIGHBOURS": 16},
    head_ablation: {"HELD": 0.8},
    inlp: {"ROUNDS": 5},
    leace: {"TOLERANCE": 0.01},
    orth_cali: {"LAMBDA": 1000.0},
    prism: {"MARGIN": 0.5, "STEPS": 300, "RATE": 4e-3, "FLOOR": 3e-2},
    sfid: {"MOST_COLUMNS": 50, "OF_COLUMNS": 512, "UNSURE": 0.7, "TREES": 100},
    sp_topk: {"TOP": 8},
    zsdebias_network: {
        "LEAK": 0.3, "DROPPED": 0.3, "NEAREST": 10, "RECONSTRUCTION": 100.0, "GROUP": 10.0, "APART": 10.0,
        "CONTRAST": 10.0, "KL": 0.01, "CYCLE": 50, "RATE": 1e-3, "HELD_OUT": 0.1, "PATIENCE": 50, "BATCH": 256,
    },
}  # fmt: skip
SEM = {"sem-i": (True, False), "sem-b": (False, True), "sem-bi": (True, True)}
"""Whether a method looks at paraphrases, and whether at what tells of the bias."""


@pytest.mark.parametrize("module", STATED, ids=lambda module: module.__name__.rpartition(".")[2])
def test_what_is_stated_is_what_is_used(module) -> None:
    assert {name: getattr(module, name) for name in STATED[module]} == STATED[module]


@pytest.mark.parametrize("name", SEM)
def test_what_each_sem_looks_at(name: str) -> None:
    method = INTERVENTIONS.get(name)
    assert (method.paraphrased, method.biased) == SEM[name]

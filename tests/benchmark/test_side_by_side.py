"""Models side by side: equal models do not differ, whatever the order of their rows; a planted lean does."""

import json

import numpy as np
import pytest

from core.benchmark.side_by_side import ModelsRequest, common_prompts, compare_models, other_items, picture
from core.cli import main
from core.config import InputError
from core.gallery import Gallery
from tests.benchmark.model_galleries import PROMPTS, N, made

REQUEST = ModelsRequest("gender", PROMPTS, k=40, half="all")


@pytest.fixture(scope="module")
def galleries(tmp_path_factory) -> dict[str, Gallery]:
    folder = tmp_path_factory.mktemp("models")
    shuffled = np.random.default_rng(1).permutation(N)
    return {
        "plain": made(folder, "plain", 0.0),
        "again": made(folder, "again", 0.0, shuffled),
        "leaning": made(folder, "leaning", 1.0, shuffled),
        "fewer": made(folder, "fewer", 0.0, drop=3),
    }


def test_the_same_model_in_another_order_does_not_differ(galleries):
    found = compare_models([galleries["plain"], galleries["again"]], REQUEST)
    first, second = found["models"]
    assert first["mean"] == second["mean"] and first["prompts"] == second["prompts"]
    (difference,) = found["differences"]
    assert not difference["mean"]["beyond_chance"]
    assert not any(one["beyond_chance"] for one in difference["prompts"].values())


def test_a_planted_lean_is_told_with_its_size(galleries):
    found = compare_models([galleries["plain"], galleries["leaning"], galleries["again"]], REQUEST)
    by_pair = {(one["first"], one["second"]): one for one in found["differences"]}
    assert by_pair["plain", "leaning"]["mean"]["beyond_chance"] and by_pair["leaning", "again"]["mean"]["beyond_chance"]
    assert not by_pair["plain", "again"]["mean"]["beyond_chance"]
    change = by_pair["plain", "leaning"]["mean"]["changes"]["Male"]
    assert change["estimate"] > 0.2 and change["lo"] > 0
    leaning = next(one for one in found["models"] if one["name"] == "leaning")
    assert leaning["mean"]["leading_group"] == "Male" and leaning["mean"]["points"]["Male"]["lo"] > 0
    assert all(one["mean"]["p_adjusted"] >= one["mean"]["p"] for one in found["differences"])


def test_the_verb_writes_a_table_and_a_figure(galleries, tmp_path, capsys):
    paths = [arg for name in ("plain", "leaning") for arg in ("--gallery", str(galleries[name].path))]
    asked = [arg for prompt in PROMPTS for arg in ("--query", prompt)]
    out = tmp_path / "side"
    assert main(["models", *paths, "--attribute", "gender", *asked, "--k", "40", "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((out / "models.json").read_text()) and "<svg" in (out / "models.svg").read_text()
    assert main(["models", *paths, "--attribute", "gender", *asked, "--k", "40"]) == 0
    assert "leaning minus plain: differs beyond chance" in capsys.readouterr().out


def test_other_items_and_a_single_model_are_refused(galleries):
    with pytest.raises(InputError, match="lacks 3 of the items of plain"):
        compare_models([galleries["plain"], galleries["fewer"]], REQUEST)
    with pytest.raises(InputError, match="at least twice"):
        compare_models([galleries["plain"]], REQUEST)


def test_what_stands_in_the_way_is_known_beforehand(galleries):
    plain, again, fewer = (galleries[name] for name in ("plain", "again", "fewer"))
    assert other_items(plain, again) is None and other_items(fewer, plain) is None
    assert "lacks 3 of the items of plain" in other_items(plain, fewer)
    assert common_prompts([plain, again]) == PROMPTS


def test_the_figure_is_of_the_group_that_is_asked_for(galleries):
    found = compare_models([galleries["plain"], galleries["leaning"]], REQUEST)
    female, male = (picture(found, group).series[1].y for group in ("Female", "Male"))
    assert [round(x + y, 9) for x, y in zip(female, male, strict=True)] == [0, 0, 0] and male[0] > 0.2

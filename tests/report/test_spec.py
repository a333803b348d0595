"""The spec of an audit: what is written down first, with every mistake named."""

import json
from pathlib import Path

import pytest

from core.audit.spec import AuditSpec
from core.cli import main
from core.config import InputError

LEAST = {"schema": 2, "gallery": "default", "attributes": ["gender"], "k": 10, "prompts": ["a photo of a doctor"]}


def test_five_keys_are_enough_and_the_rest_has_its_default() -> None:
    spec = AuditSpec.from_json(LEAST)
    assert (spec.target, spec.method, spec.seed, spec.edit, spec.where) == ("gallery", "neuron-edit", 0, None, {})
    assert AuditSpec.from_json(spec.to_json()) == spec
    assert AuditSpec.from_json(json.loads(json.dumps(spec.to_json()))).digest == spec.digest
    assert AuditSpec.from_json({**LEAST, "k": 11}).digest != spec.digest


@pytest.mark.parametrize(
    ("schema", "given", "target"),
    [
        (1, {}, "uniform"),
        (2, {}, "gallery"),
        (1, {"target": "gallery"}, "gallery"),
        (2, {"target": "uniform"}, "uniform"),
    ],
)
def test_an_old_spec_keeps_what_it_says(schema: int, given: dict, target: str) -> None:
    """Without a target schema 1 meant even shares; what is written down is the same spec under schema 2."""
    spec = AuditSpec.from_json({**LEAST, "schema": schema, **given})
    assert spec.target == target
    assert spec.to_json()["schema"] == 2 and AuditSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("key", list(LEAST))
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(InputError, match=f"lacks {key}"):
        AuditSpec.from_json({name: value for name, value in LEAST.items() if name != key})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"promts": [], "kk": 2}, "has no promts, kk"),
        ({"schema": 3}, "schema 3"),
        ({"schema": True}, "schema True"),
        ({"k": 0}, "k was 0"),
        ({"k": True}, "k was True"),
        ({"prompts": "a photo"}, "expected a list of texts"),
        ({"prompts": [" "]}, "texts that are not empty"),
        ({"prompts": []}, "at least one"),
        ({"exploratory_prompts": ["a photo of a doctor"]}, "stands there twice"),
        ({"target": "fair"}, "target was 'fair'"),
        ({"target": {"age": {"young": 1.0}}}, "lacks gender"),
        ({"target": {"gender": {"Male": "half"}}}, "share of gender Male was 'half'"),
        ({"target": {"gender": {"Male": 1.0}, "age": {}}}, "names age, which is not audited"),
        ({"edit": {"neurons": [3]}}, "no SAE was given"),
        ({"where": ["race"]}, "where was"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(more: dict, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        AuditSpec.from_json({**LEAST, **more})
    assert "\n" not in str(error.value)


def test_a_table_of_targets_belongs_to_each_attribute() -> None:
    table = {"gender": {"Male": 0.4, "Female": 0.6}}
    assert AuditSpec.from_json({**LEAST, "target": table}).target_of("gender") == table["gender"]


def test_a_wrong_file_is_exit_code_2_and_names_itself(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "spec.json"
    for text, said in (("{", "no JSON"), ('{"schema": 1}', "lacks"), (json.dumps({**LEAST, "kk": 1}), "has no kk")):
        path.write_text(text)
        assert main(["audit", str(path), "--out", str(tmp_path / "out")]) == 2
        err = capsys.readouterr().err
        assert str(path) in err and said in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()

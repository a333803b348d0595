"""Attaching to every family: exact where nothing is switched, heard where something is, never left behind."""

from __future__ import annotations

import threading

import pytest
import torch
from tiny_models import FAMILIES, made, push

from core.config import InputError
from core.lvlm.attachment import attach, split_inputs
from core.lvlm.family import LVLMS, family_of
from core.lvlm.found import find_places

NAMES = list(FAMILIES)


def same(x: torch.Tensor, name: str) -> torch.Tensor:
    return x


def pushed(size: float = 1.0, seed: int = 1):
    return lambda x, name: x + push(x.shape[-1], seed, size).to(x)


def weights(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def hooks(model) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_switched_is_the_model_and_an_edit_is_heard(name: str) -> None:
    model, inputs = made(name)
    before = weights(model)
    plain = model(**inputs).logits  # from here on transformers' own hooks are there, where other hooks go unheard
    own_hooks, parts = hooks(model), [part for part, _ in model.named_modules()]
    attachment = attach(model)
    assert torch.equal(attachment.view(same)(**inputs).logits, plain)
    assert (attachment.view(pushed())(**inputs).logits - plain).abs().max() > 1e-3
    assert torch.equal(model(**inputs).logits, plain)
    assert hooks(model) == own_hooks
    assert [part for part, _ in model.named_modules()] == parts
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_attached_before_the_first_run_is_the_same(name: str) -> None:
    first, inputs = made(name)
    heard = attach(first).view(pushed())(**inputs, output_hidden_states=True)
    second, _ = made(name)
    plain = second(**inputs, output_hidden_states=True)
    torch.testing.assert_close(attach(second).view(pushed())(**inputs).logits, heard.logits, rtol=0, atol=0)
    # states recorded through a view do not make the model record twice
    again = first(**inputs, output_hidden_states=True)
    assert torch.equal(again.logits, plain.logits)
    assert len(again.hidden_states) == len(plain.hidden_states)


@pytest.mark.parametrize("name", NAMES)
def test_each_place_is_read(name: str) -> None:
    model, inputs = made(name)
    attachment = attach(model)
    assert attachment.names == FAMILIES[name].places
    plain = model(**inputs).logits
    for place in attachment.names:
        assert (attachment.view(pushed(), [place])(**inputs).logits - plain).abs().max() > 1e-4, place


@pytest.mark.parametrize("name", NAMES)
def test_places_that_are_not_read_are_refused(name: str) -> None:
    attachment = attach(made(name)[0])
    for place in ("model.vision_tower[-4]", "model.vision_tower.encoder.layers.3", "nowhere"):
        with pytest.raises(InputError, match="reaches nothing") as error:
            attachment.view(same, [place])
        assert attachment.names[0] in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_features_computed_once_answer_as_the_whole_model(name: str) -> None:
    model, inputs = made(name)
    attachment = attach(model)
    pictures, text = split_inputs(inputs)
    tower = attachment.run_tower(pictures)
    assert (tower is None) == name.startswith("qwen")
    for edit in (same, pushed()):
        whole = attachment.view(edit)(**inputs).logits
        early = model(**text, mm_encoder_outputs={"image": attachment.features(pictures, edit, tower)}).logits
        torch.testing.assert_close(early, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_stays_half(name: str) -> None:
    model, inputs = made(name)
    model = model.to(torch.bfloat16)
    inputs = {key: value.bfloat16() if value.is_floating_point() else value for key, value in inputs.items()}
    plain = model(**inputs).logits
    attachment = attach(model)
    assert torch.equal(attachment.view(lambda x, place: x.float())(**inputs).logits, plain)
    assert not torch.equal(attachment.view(lambda x, place: x.float() + push(x.shape[-1]))(**inputs).logits, plain)


@pytest.mark.parametrize("name", NAMES)
def test_views_generate(name: str) -> None:
    model, inputs = made(name)
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False}
    options |= {"output_logits": True, "return_dict_in_generate": True}
    attachment = attach(model)
    plain = model.generate(**inputs, **options)
    nothing = attachment.view(same).generate(**inputs, **options)
    assert all(torch.equal(a, b) for a, b in zip(nothing.logits, plain.logits, strict=True))
    assert torch.equal(nothing.sequences, plain.sequences)
    moved = attachment.view(pushed(5.0)).generate(**inputs, **options)
    # the picture is read in the first step alone; later ones see it in what was kept
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(moved.logits, plain.logits, strict=True))
    assert torch.equal(model.generate(**inputs, **options).sequences, plain.sequences)


@pytest.mark.parametrize("name", NAMES)
def test_threads_with_different_edits_never_mix(name: str) -> None:
    model, inputs = made(name)
    attachment = attach(model)
    edits = {seed: same if seed == 0 else pushed(2.0, seed) for seed in range(4)}
    alone = {seed: attachment.view(edit)(**inputs).logits for seed, edit in edits.items()}
    wrong: list[int] = []

    def work(seed: int) -> None:
        with torch.inference_mode():
            for _ in range(8):
                if not torch.equal(attachment.view(edits[seed])(**inputs).logits, alone[seed]):
                    wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in edits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert torch.equal(model(**inputs).logits, alone[0])


@pytest.mark.parametrize("name", NAMES)
def test_places_are_found_by_experiment(name: str) -> None:
    model, inputs = made(name)
    places, (note,) = find_places(model, inputs)
    assert set(FAMILIES[name].places) == {place.name for place in places}
    assert "by experiment" in note


def test_an_unknown_family_is_found_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = made("llava")
    monkeypatch.setattr(type(model.config), "model_type", "somebodys_vlm")
    assert family_of(model) is None
    with pytest.raises(InputError, match="'somebodys_vlm' are not known here; give a picture"):
        attach(model)
    attachment = attach(model, inputs)
    assert attachment.names == ("model.vision_tower[-2]",) and attachment.family is None
    assert "by experiment" in attachment.notes[0]


def test_a_model_that_sees_nothing_is_refused() -> None:
    tf = pytest.importorskip("transformers")
    config = tf.LlamaConfig(
        vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    with pytest.raises(InputError, match="no vision tower"):
        attach(tf.LlamaForCausalLM(config))


def test_edits_of_a_dropped_token_do_nothing_and_others_do() -> None:
    model, inputs = made("llava")
    plain = model(**inputs).logits

    def at(position: int):
        def edit(x: torch.Tensor, name: str) -> torch.Tensor:
            x = x.clone()
            x[:, position] += push(x.shape[-1])
            return x

        return edit

    attachment = attach(model)
    assert attachment.family.keeps_cls(model) is False
    assert torch.equal(attachment.view(at(0))(**inputs).logits, plain)
    assert not torch.equal(attachment.view(at(1))(**inputs).logits, plain)


def test_an_edit_that_changes_the_shape_is_a_defect() -> None:
    model, inputs = made("llava")
    with pytest.raises(ValueError, match="an edit made"):
        attach(model).view(lambda x, name: x[:, 1:])(**inputs)


def test_every_family_says_what_it_reads() -> None:
    known = [LVLMS.get(name) for name in LVLMS]
    assert all(one.title and one.reads and one.model_types for one in known)
    kinds = [kind for one in known for kind in one.model_types]
    assert len(kinds) == len(set(kinds))
    assert {made(name)[0].config.model_type for name in FAMILIES} <= set(kinds)

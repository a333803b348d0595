"""A ResNet tower with folded normalisation and one query is the model's own tower."""

import pytest
import torch

from core.backbones.towers import image_tower
from tests.backbones.tiny_clip import config, model

RESNET = {"layers": [2, 1, 2, 1], "width": 8, "head_width": 64}


@pytest.fixture
def clip() -> torch.nn.Module:
    """A random ResNet whose normalisations all do something, in float64."""
    made = model(config(RESNET)).double()
    generator = torch.Generator().manual_seed(0)
    for part in made.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for values, low, high in (
                (part.weight, 0.5, 1.5),
                (part.bias, -0.3, 0.3),
                (part.running_mean, -0.3, 0.3),
                (part.running_var, 0.5, 2.0),
            ):
                values.data.uniform_(low, high, generator=generator)
    return made


def test_numbers_are_the_models_own(clip: torch.nn.Module) -> None:
    pixels = torch.randn(3, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = clip.encode_image(pixels)
    assert expected.std() > 1e-3
    for given in (pixels, pixels.contiguous(memory_format=torch.channels_last)):
        torch.testing.assert_close(image_tower(clip, 24)(given).pooled, expected, atol=1e-12, rtol=0)


def test_the_model_stays_as_it_was(clip: torch.nn.Module) -> None:
    before = {name: value.clone() for name, value in clip.state_dict().items()}
    image_tower(clip, 24)(torch.ones(1, 3, 32, 32, dtype=torch.float64))
    after = clip.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) and after[name].is_contiguous() for name, value in before.items())

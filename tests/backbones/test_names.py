"""A model's name as people write it leads to the model they mean."""

import pytest

from core.backbones.names import understood


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("CLIP ViT-B/32 (OpenAI)", "ViT-B-32:openai"),
        ("openai/clip-vit-base-patch32", "ViT-B-32:openai"),
        ("openai/clip-vit-large-patch14-336", "ViT-L-14-336:openai"),
        ("OpenAI CLIP ViT-L/14@336px", "ViT-L-14-336:openai"),
        ("RN50 (OpenAI)", "RN50:openai"),
        ("rn50x4", "RN50x4"),
        ("ViT-B/16", "ViT-B-16"),
        ("vit_b_32", "ViT-B-32"),
        ("ViT-B-32", "ViT-B-32"),
        ("ViT-B-32-quickgelu:openai", "ViT-B-32-quickgelu:openai"),
        ("ViT-B-32-quickgelu", "ViT-B-32-quickgelu"),
        ("default", "default"),
        ("hand-made", "hand-made"),
        ("hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("", ""),
    ],
)
def test_names_as_people_write_them(written: str, meant: str) -> None:
    assert understood(written) == meant

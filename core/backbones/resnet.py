"""CLIP's ResNets as their image tower runs them: the same numbers in about two thirds of the time.

Batch normalisation with fixed statistics is an affine map, so it is folded into the convolution before it; the pool
attends with the one query whose answer is used; channels lie last, as the convolutions of CPUs and GPUs want them.
"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.backbones.base import Foreign

PAIRS = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("0", "1"))
"""Names in open_clip's blocks of a convolution and of the normalisation that follows it at once."""


def fast_resnet(visual: Foreign) -> Callable[[torch.Tensor], torch.Tensor]:
    """Takes pixels to embeddings like `visual`, an open_clip ModifiedResNet in eval mode, which it leaves as it is.

    Equal to it up to rounding (relative 1e-5). The pool's weights are shared with `visual`, the others are copies.
    """
    kept = {id(weight): weight for weight in visual.attnpool.parameters()}
    body = deepcopy(visual, kept)
    for module in body.modules():
        for conv, norm in PAIRS:
            if isinstance(getattr(module, norm, None), nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
    for stage in (body.conv1, body.conv2, body.conv3, body.layer1, body.layer2, body.layer3, body.layer4):
        stage.to(memory_format=torch.channels_last)

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        x = body.stem(pixels.contiguous(memory_format=torch.channels_last))
        for layer in (body.layer1, body.layer2, body.layer3, body.layer4):
            x = layer(x)
        return _pooled(body.attnpool, x)

    return encode


def _pooled(pool: Foreign, x: torch.Tensor) -> torch.Tensor:
    """The attention pool's answer to its mean token, (n, d), of features (n, channels, h, w)."""
    x = x.flatten(2).transpose(1, 2)  # (n, h * w, channels)
    x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1) + pool.positional_embedding.to(x.dtype)
    heads = (len(x), -1, pool.num_heads, x.shape[-1] // pool.num_heads)
    q, k, v = pool.q_proj(x[:, :1]), pool.k_proj(x), pool.v_proj(x)
    attended = scaled_dot_product_attention(
        *(part.view(heads).transpose(1, 2) for part in (q, k, v))
    )  # (n, heads, 1, c)
    return pool.c_proj(attended.transpose(1, 2).flatten(1))

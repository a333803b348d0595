"""A model of nothing: mean colours and letters, turned by a fixed matrix."""

import numpy as np
import torch

from core.backbones.base import BACKBONES, Backbone, Family
from core.config import Fingerprint, InputError

D = 12
TURN = np.random.default_rng(0).normal(size=(4, D)).astype(np.float32)


@BACKBONES.register("toy")
class Toys(Family):
    prefix = "toy"
    title = "Toy"
    hint = "`toy:colours`"

    def load(self, name, pretrained, device):
        if name != "toy:colours":
            raise InputError(f"unknown toy model {name!r}; known: toy:colours")
        return Colours()


class Colours(Backbone):
    name, device, image_size, notes = "toy:colours", torch.device("cpu"), (1, 1), []
    known_words, weights_digest = None, "7" * 64

    def fingerprint(self, side, attach, normalised=False):
        return Fingerprint(self.name, self.weights_digest, side, attach, D, "p" * 8, None, normalised)

    def dims(self, side, attach):
        return D if attach == "pooled" else None

    def why_not(self, side, attach):
        return None if attach == "pooled" else "toys have no transformer"

    def readout(self, side):
        return None

    def unknown_words(self, text):
        return []

    def truncated(self, text):
        return False

    def pixels(self, image):
        return np.asarray(image.convert("RGB").resize((1, 1)))

    def pixel_buffer(self, n):
        return np.empty((n, 1, 1, 3), np.uint8)

    def encode_pixels(self, pixels, attaches=("pooled",), tokens=None, precision="float32", compiled=False):
        found = {"pooled": turned(pixels.reshape(-1, 3))}
        return lambda: found

    def encode_images(self, images, attaches=("pooled",), batch=64, progress=None, tokens=None):
        return self.encode_pixels(np.stack([self.pixels(image) for image in images]))()

    def encode_texts(self, texts, attaches=("pooled",), batch=256, progress=None, tokens=None):
        return {"pooled": turned(np.array([[hash_of(text, i) for i in range(3)] for text in texts]))}


def turned(colours):
    return np.hstack([colours / 128 - 0.9, np.full((len(colours), 1), 0.1)]).astype(np.float32) @ TURN


def hash_of(text, place):
    return sum(ord(letter) * (i + place + 1) for i, letter in enumerate(text)) % 256

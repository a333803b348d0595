"""Maps in two dimensions: `places` is their mathematics, `process` computes them beside the server."""

from core.projection.places import N_NEIGHBORS, nearest_cosine, pca_places, place_among, trustworthiness, umap_places
from core.projection.process import STAGES, Projection, compute, map_digest, prepare, read_map, running, stage, start

__all__ = [
    "N_NEIGHBORS",
    "STAGES",
    "Projection",
    "compute",
    "map_digest",
    "nearest_cosine",
    "pca_places",
    "place_among",
    "prepare",
    "read_map",
    "running",
    "stage",
    "start",
    "trustworthiness",
    "umap_places",
]

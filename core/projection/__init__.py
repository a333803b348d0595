"""Maps in two dimensions: `places` is their mathematics, `process` computes them beside the server."""

from core.projection.places import N_NEIGHBORS, nearest_cosine, pca_places, place_among, trustworthiness, umap_places
from core.projection.process import STAGES, Projection, map_digest, read_map, running, stage, start

__all__ = [
    "N_NEIGHBORS",
    "STAGES",
    "Projection",
    "map_digest",
    "nearest_cosine",
    "pca_places",
    "place_among",
    "read_map",
    "running",
    "stage",
    "start",
    "trustworthiness",
    "umap_places",
]

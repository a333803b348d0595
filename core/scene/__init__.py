"""What is looked at: a gallery, its probe half, the SAEs of its sides, its model, and what is remembered."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.scene.bench import Bench
    from core.scene.encoders import text_model
    from core.scene.opening import load_saes, open_scene
    from core.scene.scene import SAEs, Scene
    from core.scene.texts import added_terms, query_embedding, text_embeddings, why_not_interpreted
else:
    __getattr__ = on_demand(__name__)

__all__ = [
    "Bench",
    "SAEs",
    "Scene",
    "added_terms",
    "load_saes",
    "open_scene",
    "query_embedding",
    "text_embeddings",
    "text_model",
    "why_not_interpreted",
]

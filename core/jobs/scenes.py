"""What a job looks at, as plain values: a gallery, its probe half, the SAEs, the model; opened where the job runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.scene import Scene


@dataclass(frozen=True, kw_only=True)
class SceneOrder:
    """The scene of a job; galleries and SAEs by their folders or shipped names."""

    gallery: str
    saes: Mapping[str, str]
    """Side -> SAE."""
    probe: str | None = None
    model: str | None = None
    """Text encoder; None: the gallery's known prompts alone."""
    pretrained: str | None = None
    device: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of gallery and SAEs when it was asked: the same question about what has changed since is another one."""

    def scene(self) -> "Scene":
        """The scene that is named; InputError for what is not there."""
        from core.backbones.base import load_model
        from core.gallery import open_gallery
        from core.saes.checkpoint import load_sae
        from core.scene import Scene

        model = load_model(self.model, self.pretrained, device=self.device) if self.model else None
        saes: Any = {side: load_sae(name) for side, name in self.saes.items()}
        probe = None if self.probe is None else open_gallery(self.probe)
        return Scene(open_gallery(self.gallery), saes, model, probe)

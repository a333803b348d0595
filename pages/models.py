"""Models: the same items as several models embed them, asked the same prompts, side by side."""

from core.ui.models.page import models
from core.ui.parts import frame

frame.through_app()
models()

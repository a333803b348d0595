"""Compare: a prompt, before and after neurons are switched off."""

from core.ui.compare.page import compare
from core.ui.parts import frame

frame.through_app()
compare()

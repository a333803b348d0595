"""Compare: a prompt, before and after neurons are switched off."""

from core.ui import frame
from core.ui.compare_view import compare

frame.through_app()
compare()

"""Compare: a prompt, before and after neurons are switched off."""

from core.ui.compare_view import compare

compare()

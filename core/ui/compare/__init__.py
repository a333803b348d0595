"""The page Compare: a prompt before and after neurons are switched off, in all its views."""

"""The page Models: the same items as several models embed them, side by side."""

"""The page Data & models: choose, make, import and train, and judge what was made."""

"""The page Jobs: long work of everyone, how far it is, and how it ended."""

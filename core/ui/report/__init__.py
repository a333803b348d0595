"""The page Report: an audit written down before it is measured, and its files."""

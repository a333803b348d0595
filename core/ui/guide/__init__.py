"""Page Guide: the texts of assets/guide, read inside the app and without a network."""

"""One file a layout; each registers its class."""

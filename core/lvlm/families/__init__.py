"""One file a family; each registers its class."""

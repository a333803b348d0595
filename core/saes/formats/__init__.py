"""SAE files of other projects: one file per format, each turning a folder into a config and named arrays."""

"""The page Label: one neuron at a time, what raters agree on, and sets that become edits."""

"""The page Neurons: the map, the search, the social neurons, and one neuron's own page."""

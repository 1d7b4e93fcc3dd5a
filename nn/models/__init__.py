"""Models: each file reads top-down, a configuration as plain values and then the network."""

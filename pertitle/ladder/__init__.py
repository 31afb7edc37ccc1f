"""The ladder: a Gaussian surface over (height, CRF), conditioned on probes, read as rungs."""

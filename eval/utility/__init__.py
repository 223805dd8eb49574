"""Does the synthetic data help? Networks trained with and without it, tested on real images that nothing else has seen."""

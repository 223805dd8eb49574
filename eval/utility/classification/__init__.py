"""Utility for classification: a small network trained on real, rebalanced, mixed and synthetic images."""

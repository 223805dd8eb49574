"""Diffusion: noise schedules, the Gaussian process, losses and samplers. It imports no other package of the project."""

"""Utility for segmentation: a small UNet trained on real, pasted and synthetic images with their label maps."""

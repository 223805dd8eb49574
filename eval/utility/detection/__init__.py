"""Utility for detection: a detector trained on real, copied, pasted and synthetic images, scored as COCO does."""

"""What train.py leans on: checkpoints, averaging, tracking, seeding. Knows nothing of diffusion."""

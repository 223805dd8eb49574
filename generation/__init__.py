"""What sample.py leans on: what is asked for, drawing it, judging it, writing it."""

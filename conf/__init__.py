"""Typed configs and how they are composed from the command line."""

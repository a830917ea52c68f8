"""Scoring models that ship with the program: one file a specialty."""

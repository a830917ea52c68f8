"""Data files that a clinician can read and edit: each line with its reason."""

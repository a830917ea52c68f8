"""Signals in free text: emergencies first, then urgency, inquiry type, insurance, procedures."""

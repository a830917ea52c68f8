"""Pure scoring: leads in, scores and reasons out. No clock, no I/O but the packaged lexicons."""

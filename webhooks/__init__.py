"""The service: receive, unpack, score, write back."""

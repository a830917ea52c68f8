"""What a person writes and what the process needs: environment and TOML in, checked objects out."""

"""`python -m console` is `leadscore`."""

from console.cli import main

main()

"""`python -m agent` is `minerva`."""

from agent.cli import main

main()

"""`python -m omniroute_agent` is the command `omniroute-agent`."""

from omniroute_agent.cli.entry import main

main()

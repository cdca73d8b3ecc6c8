"""The command line: it reads words, opens the house, shows what came of it. Nothing is decided here."""

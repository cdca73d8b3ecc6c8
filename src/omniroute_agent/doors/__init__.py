"""The doors: each translates one protocol and says who asks; none decides, none spends."""

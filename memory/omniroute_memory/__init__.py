"""What is remembered for a caller. So far the contract: what this package takes from outside."""

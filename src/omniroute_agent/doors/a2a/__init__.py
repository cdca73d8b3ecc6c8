"""The A2A door: an agent that other agents find, trust and pay for. Two versions of the protocol on one address."""

"""What an agent can be taught to do, vetted and granted. So far the contract: what this package takes from outside."""

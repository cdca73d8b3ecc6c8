"""What the owner decided: one TOML file and the environment, parsed once into frozen values."""

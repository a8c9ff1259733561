"""Where processes start: the only places that read the environment."""

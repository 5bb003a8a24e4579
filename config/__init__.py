"""Configuration: settings, slice definitions, and the pointer to the promoted run."""

"""Puts the rooms together: CSV -> data set -> train -> export -> parity -> evaluate -> run bundle."""

"""Findings: what is wrong with labels, data and preprocessing; `finder.find` is the door."""

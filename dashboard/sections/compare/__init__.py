"""What the Compare section is made of; `section.py` puts it together."""

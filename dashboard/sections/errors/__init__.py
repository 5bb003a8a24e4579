"""What the Errors section is made of; `section.py` puts it together."""

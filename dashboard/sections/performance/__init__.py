"""What the Performance section is made of; `section.py` puts it together."""

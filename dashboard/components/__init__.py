"""Small views that sections are made of; none of them knows a section."""

"""What is wrong with tags."""

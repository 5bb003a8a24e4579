"""What is wrong with rows and texts."""

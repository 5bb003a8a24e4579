"""The parts of the Data section: each follows one exploration, and none knows another."""

"""The HTTP service: several processes that act as one. No torch, no pandas; `engine.inference` answers."""

"""The run bundle and the stores that hold it: the only thing that serving needs."""

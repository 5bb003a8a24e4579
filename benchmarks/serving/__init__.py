"""Parts of `benchmarks/serving.py`: servers, the texts that they are sent, and the programs that send them."""

"""Training: cleaned texts and tag numbers go in, a torch module with its tokenizer comes out.

torch lives here and in `engine.export`, nowhere else; import the modules, this package itself stays light.
"""

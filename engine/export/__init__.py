"""Export: a torch module goes in, an ONNX file that gives the same answers comes out.

torch lives here and in `engine.training`, nowhere else; import the modules, this package itself stays light.
"""

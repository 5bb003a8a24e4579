"""What a server process does before its first visitor: imports, and reading what that visitor will see.

Importing this module does it, in the background where plotting is concerned.
"""

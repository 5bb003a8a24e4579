"""The sections of the page; each also stands alone as the last line of a notebook cell, and none knows another."""

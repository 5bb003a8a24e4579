"""The precisions of a run: what is made of its fp32 model, kept as attachments, and opened on a backend."""

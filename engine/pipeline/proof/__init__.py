"""What `tagscope parity` and `tagscope tune` are made of: texts, answers, the gate, loads and the journal."""

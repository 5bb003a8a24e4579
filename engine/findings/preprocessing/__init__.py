"""What cleaning, the mapping of tags and the tokenizer did to the rows."""

"""Large vision-language models: edits on the tokens that the language model reads, and what it then says."""

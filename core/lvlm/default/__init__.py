"""The large vision-language model of the offline default: its questions, words, training and files."""

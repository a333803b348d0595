"""The page Ask: what a large vision-language model says about people, before and after."""

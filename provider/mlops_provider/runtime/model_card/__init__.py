"""The model card: what one has to know of a model before it is used, from the records of its run."""

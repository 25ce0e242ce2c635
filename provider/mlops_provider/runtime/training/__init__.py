"""What a training consists of, apart from the fit: checks of the data, weights, early stopping, functions, progress."""

"""The parts of `monitor`: which rows, which checks, when a breach leads to action, and to which."""

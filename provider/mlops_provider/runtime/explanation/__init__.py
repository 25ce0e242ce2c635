"""The parts of an explanation: what a model looks at, whom it treats how, where it errs."""

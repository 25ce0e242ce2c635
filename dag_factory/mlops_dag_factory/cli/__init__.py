"""The command `mlops`: one file per command, imported only when it is called. The package imports nothing."""

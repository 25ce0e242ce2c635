"""Profiles of columns that add up: of files, days, segments and workers, in one pass and bounded memory."""

"""Plots as SVG: self-contained, for light and dark pages, drawn from numbers that are in the report as well."""

"""Releases in steps: what is measured of each version, how it is judged, and how a release goes on."""

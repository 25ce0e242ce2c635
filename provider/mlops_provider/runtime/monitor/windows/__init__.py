"""What is watched, and what it is compared with: rows, hours of profiles, baselines, segments."""

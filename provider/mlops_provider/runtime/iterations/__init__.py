"""From one run to the next: what changed, which run was the last good one, why a metric fell. Nothing is guessed."""

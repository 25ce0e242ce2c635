"""When a breach leads to action: the policy, its state, silences, decisions on record, and what people are told."""

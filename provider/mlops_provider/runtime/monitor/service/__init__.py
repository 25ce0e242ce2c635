"""How the service answers, by its log, its servers and Prometheus; and what the store says in Prometheus' form."""

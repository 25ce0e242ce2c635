"""The names that conditions on a service may read, by where the numbers come from. Imports nothing."""

from __future__ import annotations

LOGGED = {
    "requests": "Requests in the window.",
    "requests_per_s": "Requests per second, over the length of the window.",
    "error_rate": "Share of requests that the version failed to answer.",
    "latency_p50_ms": "Half of the requests were answered within so many milliseconds.",
    "latency_p95_ms": "95 % of them.",
    "latency_p99_ms": "99 % of them.",
}
"""Of the prediction log: every request of the window."""

SERVERS = {
    "saturation": "Requests in work of all that may be in work at once; the fullest server.",
    "memory_mb": "Resident memory of the largest server, in MB.",
    "servers": "Model servers that answer.",
}
"""Of the `/metrics` of the model servers that follow the service, at the moment of the check."""

_OURS = ' and on (instance) mlops_model_info{service="$service"}'
"""Keeps the servers that answer for the service."""
QUERIES = {
    "saturation": "max(max_over_time((sum by (instance) (mlops_requests_in_flight) "
    f"/ sum by (instance) (mlops_requests_capacity))[$window:]){_OURS})",
    "memory_mb": f"max(max_over_time(process_resident_memory_bytes[$window]){_OURS}) / 1e6",
    "servers": 'count(count by (instance) (mlops_model_info{service="$service"}))',
    "cpu_cores": f"sum(rate(process_cpu_seconds_total[$window]){_OURS})",
    "refused_per_s": 'sum(rate(mlops_requests_total{service="$service",status="429"}[$window])) or vector(0)',
    "log_dropped_per_s": f"sum(rate(mlops_log_dropped_rows_total[$window]){_OURS}) or vector(0)",
}
"""What Prometheus is asked for a name: of the whole window, at its end."""

SERVICE = tuple(dict.fromkeys([*LOGGED, *SERVERS, *QUERIES]))

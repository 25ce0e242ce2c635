"""How good the answers are: metrics with intervals, estimates before labels, fairness, importance, business."""

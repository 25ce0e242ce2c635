"""Approvals: what is asked on which evidence, who has decided what, and whether that is enough."""

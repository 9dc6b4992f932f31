"""Innermost loops whose turns depend on one another, made fit for vectors."""

"""Prompts and labels: texts, no logic."""

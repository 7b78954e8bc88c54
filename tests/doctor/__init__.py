"""The template doctor: each finding with a template that has the fault and one that has not."""

"""The plant as a scenario gives it: values and rules.

What they come to, hil.plant computes."""

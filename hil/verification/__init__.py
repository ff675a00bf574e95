"""Computes again whatever a finished record claims.

`replay` votes every frame again, `delivery` checks what was delivered without a vote, `ending` the
result and its expectations; `findings` are the differences."""

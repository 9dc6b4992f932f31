"""What many processes cost: measured for a few on this machine, predicted for thousands."""

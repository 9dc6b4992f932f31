"""Back ends: each turns loop programs into something that runs."""

"""How loop nests run: collapsed, tiled, split, spread over threads, unrolled."""

"""Plain loops over arrays that wengert compiles for itself, as it does those of its users."""

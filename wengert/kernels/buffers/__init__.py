"""Which buffers share memory, and where temporaries lie."""

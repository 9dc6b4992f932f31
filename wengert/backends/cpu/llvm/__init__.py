"""Loop programs as LLVM text."""

"""The static SSA tensor IR: types, ops, programs, transforms and passes."""

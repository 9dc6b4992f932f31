"""The subcommands of `python -m wengert`."""

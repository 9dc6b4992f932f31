"""Program transforms: each module holds only the walk; the rules are with the ops."""

"""What happened: the append-only, hash-chained record, its stores and its verification."""

"""Training shards out of the public art repositories: which pictures, under which names, drawn how."""

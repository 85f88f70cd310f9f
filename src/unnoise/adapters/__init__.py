"""What is put onto a model that others trained: low-rank adapters in every dialect, embeddings, merges."""

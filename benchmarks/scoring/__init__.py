"""From a photograph to a score: finding faces, embedding, storing embeddings, answering apps."""

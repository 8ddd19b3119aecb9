"""What a document says of people and must not reach a model: personal data and secrets."""

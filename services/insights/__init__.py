"""What is in the corpora: questions about documents, decisions and versions, answered from the corpora's tables."""

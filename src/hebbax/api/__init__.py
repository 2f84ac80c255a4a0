"""What `import hebbax` gives: from a table to an answer, in a few lines of Python."""

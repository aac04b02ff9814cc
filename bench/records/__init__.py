"""What was generated and measured, as plain records, and the store that keeps them."""

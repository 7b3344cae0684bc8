"""What the first system kept of its wallets: its records, read strictly, and the wallets that they tell of."""

"""What processes that compute together cost: transfers, training steps, and a model on paper."""
